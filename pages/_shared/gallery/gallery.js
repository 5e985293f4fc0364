// A grid of pictures. A click opens one; the mark in the corner chooses it; shift chooses a stretch.
// Mounted again with new data on every run of the page, so it draws anew only what has changed.

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const grid = parentElement.querySelector(".grid")
  const drawn = JSON.stringify(data.tiles)
  if (grid.dataset.drawn !== drawn) {
    grid.dataset.drawn = drawn
    grid.replaceChildren(...data.tiles.map((tile) => picture(tile, data.choosing)))
    grid.style.setProperty("--tile", `${data.size}px`)
    grid.classList.toggle("one-row", data.oneRow)
    grid.chosen = new Set()
    grid.last = null
  }

  grid.onclick = (event) => {
    const figure = event.target.closest("figure")
    if (!figure) return
    const id = Number(figure.dataset.id)
    const wanted = event.target.closest(".mark") || event.shiftKey || event.ctrlKey || event.metaKey
    if (!data.choosing || !wanted) {
      setTriggerValue("opened", id)
      return
    }
    event.preventDefault()
    const ids = data.tiles.map((tile) => tile.id)
    const choose = !grid.chosen.has(id)
    const [from, to] = [ids.indexOf(grid.last ?? id), ids.indexOf(id)].sort((a, b) => a - b)
    for (const each of event.shiftKey ? ids.slice(Math.max(from, 0), to + 1) : [id]) {
      choose ? grid.chosen.add(each) : grid.chosen.delete(each)
    }
    grid.last = id
    mark(grid)
    setStateValue("chosen", ids.filter((each) => grid.chosen.has(each)))
  }
}

function picture(tile, choosing) {
  const figure = document.createElement("figure")
  figure.dataset.id = tile.id
  const open = document.createElement("button")
  open.className = "open"
  open.title = tile.title
  const image = document.createElement("img")
  image.src = tile.src
  image.alt = tile.alt
  open.append(image)
  figure.append(open)
  if (choosing) {
    const box = document.createElement("button")
    box.className = "mark"
    box.setAttribute("aria-label", `choose ${tile.alt}`)
    box.setAttribute("aria-pressed", "false")
    figure.append(box)
  }
  if (tile.caption) {
    const caption = document.createElement("figcaption")
    const dot = document.createElement("i")
    dot.style.background = tile.colour
    caption.append(dot, tile.caption)
    figure.append(caption)
  }
  return figure
}

function mark(grid) {
  for (const figure of grid.children) {
    const on = grid.chosen.has(Number(figure.dataset.id))
    figure.classList.toggle("chosen", on)
    figure.querySelector(".mark").setAttribute("aria-pressed", String(on))
  }
}
