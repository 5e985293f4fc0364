// A grid of pictures. A click opens one; its corner, ctrl or shift and click, a long press or a rectangle
// drawn with the mouse marks. With classes, a key labels all that are marked.
// Mounted again with new data on every run of the page, so it draws anew only what has changed.

const FAR = 6 // css px that a pointer moves before it draws a rectangle
const LONG = 500 // ms after which a finger marks
const AGAIN = 4000 // ms after which labels that nobody has confirmed are sent again

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".grid")
  const grid = (root.grid ??= new Grid(root))
  grid.open = (id) => setTriggerValue("opened", id)
  grid.tell = (ids) => setStateValue("chosen", ids)
  grid.send = (acts) => setTriggerValue("acts", acts)
  grid.hear(data)
  return () => {
    // Only a grid that has left the page is closed; the page may merely have run again.
    setTimeout(() => root.isConnected || grid.close(), 0)
  }
}

class Grid {
  constructor(root) {
    this.root = root
    this.chosen = new Set()
    this.last = null
    this.waiting = []
    this.given = []
    root.onclick = (event) => this.click(event)
    root.onpointerdown = (event) => this.press(event)
    root.onpointermove = (event) => this.drag(event)
    root.onpointerup = root.onpointercancel = () => this.release()
    root.oncontextmenu = (event) => this.touched && event.preventDefault()
    root.ondragstart = (event) => event.preventDefault()
    this.onkey = (event) => this.key(event)
    // Before the page's own keys: a digit belongs to the marked pictures.
    window.addEventListener("keydown", this.onkey, true)
    this.again = setInterval(() => this.waiting.length && this.send([...this.waiting]), AGAIN)
  }

  close() {
    window.removeEventListener("keydown", this.onkey, true)
    clearInterval(this.again)
    clearTimeout(this.timer)
  }

  hear(data) {
    this.choosing = data.choosing
    this.classes = data.classes
    this.ids = data.tiles.map((tile) => tile.id)
    const stored = new Set(data.stored)
    this.waiting = this.waiting.filter((act) => !stored.has(act.batch))
    this.given = this.given.filter((batch) => !data.undone.includes(batch))
    const focused = this.focused()
    const old = new Map(this.figures().map((figure) => [figure.drawn, figure]))
    const figures = data.tiles.map((tile) => {
      const drawn = JSON.stringify([tile, data.choosing])
      return old.get(drawn) ?? Object.assign(picture(tile, data.choosing), { drawn })
    })
    const now = this.figures()
    if (figures.length !== now.length || figures.some((figure, place) => figure !== now[place])) {
      this.root.replaceChildren(...figures)
    }
    this.root.style.setProperty("--tile", `${data.size}px`)
    this.root.classList.toggle("one-row", data.oneRow)
    this.root.classList.toggle("choosing", data.choosing)
    for (const id of this.chosen) if (!this.ids.includes(id)) this.chosen.delete(id)
    this.mark()
    if (focused !== null) this.focus(focused)
  }

  figures() {
    return [...this.root.querySelectorAll("figure")]
  }

  figure(id) {
    return this.figures().find((figure) => Number(figure.dataset.id) === id)
  }

  // The picture that has the focus, by its id.
  focused() {
    const figure = this.root.getRootNode().activeElement?.closest?.("figure")
    return figure && this.root.contains(figure) ? Number(figure.dataset.id) : null
  }

  focus(id) {
    this.figure(id)?.querySelector(".open").focus({ preventScroll: false })
  }

  click(event) {
    const figure = event.target.closest("figure")
    if (this.done) {
      // The end of a drag or of a long press.
      this.done = false
      event.preventDefault()
      return
    }
    if (!figure) return
    const id = Number(figure.dataset.id)
    const wanted = event.target.closest(".mark") || event.shiftKey || event.ctrlKey || event.metaKey
    if (!this.choosing || !wanted) {
      this.open(id)
      return
    }
    event.preventDefault()
    const choose = !this.chosen.has(id)
    const [from, to] = [this.ids.indexOf(this.last ?? id), this.ids.indexOf(id)].sort((a, b) => a - b)
    for (const each of event.shiftKey ? this.ids.slice(Math.max(from, 0), to + 1) : [id]) {
      choose ? this.chosen.add(each) : this.chosen.delete(each)
    }
    this.last = id
    this.say()
  }

  press(event) {
    this.done = false
    this.touched = event.pointerType === "touch"
    if (!this.choosing || event.button) return
    this.from = { x: event.clientX, y: event.clientY, id: event.pointerId }
    const figure = event.target.closest("figure")
    if (this.touched && figure) {
      this.timer = setTimeout(() => {
        const id = Number(figure.dataset.id)
        this.chosen.has(id) ? this.chosen.delete(id) : this.chosen.add(id)
        this.last = id
        this.done = true
        this.from = null
        this.say()
      }, LONG)
    }
  }

  drag(event) {
    if (!this.from || event.pointerId !== this.from.id) return
    const far = Math.hypot(event.clientX - this.from.x, event.clientY - this.from.y) > FAR
    // A finger that moves scrolls the page.
    if (this.touched) {
      if (far) this.release()
      return
    }
    if (!this.lasso) {
      if (!far) return
      this.root.setPointerCapture(event.pointerId)
      this.before = new Set(this.chosen)
      this.lasso = document.createElement("div")
      this.lasso.className = "lasso"
      this.root.append(this.lasso)
    }
    event.preventDefault()
    const [left, right] = [this.from.x, event.clientX].sort((a, b) => a - b)
    const [top, bottom] = [this.from.y, event.clientY].sort((a, b) => a - b)
    const place = this.root.getBoundingClientRect()
    const clip = (value, low, high) => Math.max(low, Math.min(high, value))
    const box = {
      left: clip(left, place.left, place.right) - place.left,
      top: clip(top, place.top, place.bottom) - place.top,
      right: clip(right, place.left, place.right) - place.left,
      bottom: clip(bottom, place.top, place.bottom) - place.top,
    }
    this.lasso.style.left = `${box.left}px`
    this.lasso.style.top = `${box.top}px`
    this.lasso.style.width = `${box.right - box.left}px`
    this.lasso.style.height = `${box.bottom - box.top}px`
    this.chosen = new Set(this.before)
    for (const figure of this.figures()) {
      const { left: l, right: r, top: t, bottom: b } = figure.getBoundingClientRect()
      if (l < right && r > left && t < bottom && b > top) this.chosen.add(Number(figure.dataset.id))
    }
    this.mark()
  }

  release() {
    clearTimeout(this.timer)
    this.from = null
    if (!this.lasso) return
    this.lasso.remove()
    this.lasso = null
    // The click that follows is no click, if one follows at all.
    this.done = true
    setTimeout(() => (this.done = false), 0)
    this.say()
  }

  key(event) {
    const typing = event.composedPath().some((e) => /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName ?? ""))
    if (!this.root.isConnected || !this.choosing || typing) return
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const at = this.focused()
    const pressed = event.key.toLowerCase()
    const named = this.classes.find((each) => each.key === pressed)
    if (named && (this.chosen.size || at !== null)) {
      // A key held down would label what nobody has seen.
      if (!event.repeat) this.label(named.name, this.chosen.size ? this.marked() : [at])
    } else if (pressed === "z" && this.given.length) {
      if (!event.repeat) this.undo()
    } else if (pressed === "escape" && this.chosen.size) {
      this.chosen.clear()
      this.say()
    } else if (pressed === " " && at !== null) {
      if (event.repeat) return
      this.chosen.has(at) ? this.chosen.delete(at) : this.chosen.add(at)
      this.last = at
      this.say()
    } else if (pressed.startsWith("arrow") && at !== null) {
      this.walk(at, pressed, event.shiftKey)
    } else return
    event.preventDefault()
    event.stopImmediatePropagation()
  }

  walk(at, pressed, marking) {
    const places = this.figures().map((figure) => figure.offsetTop)
    const columns = Math.max(1, places.filter((top) => top === places[0]).length)
    const by = { arrowleft: -1, arrowright: 1, arrowup: -columns, arrowdown: columns }[pressed]
    const to = this.ids.indexOf(at) + by
    if (to < 0 || to >= this.ids.length) return
    this.focus(this.ids[to])
    if (!marking) return
    for (const id of [at, this.ids[to]]) this.chosen.add(id)
    this.say()
  }

  label(name, samples) {
    const batch = unique()
    this.given.push(batch)
    this.chosen.clear()
    this.mark()
    this.tell([])
    this.act({ batch, samples, label: name })
  }

  undo() {
    this.act({ batch: unique(), undo: this.given.pop() })
  }

  // Sent until the server says that it is done: the same act, sent twice, counts once.
  act(act) {
    this.waiting.push(act)
    this.send([...this.waiting])
  }

  marked() {
    return this.ids.filter((id) => this.chosen.has(id))
  }

  say() {
    this.mark()
    this.tell(this.marked())
  }

  mark() {
    for (const figure of this.figures()) {
      const on = this.chosen.has(Number(figure.dataset.id))
      figure.classList.toggle("chosen", on)
      figure.querySelector(".mark")?.setAttribute("aria-pressed", String(on))
    }
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
    const text = document.createElement("span")
    text.textContent = tile.caption
    caption.append(dot, text)
    figure.append(caption)
  }
  return figure
}

function unique() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("")
}
