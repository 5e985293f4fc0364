// One picture, one key, the next picture. Answers are shown at once and kept here (and in the browser's
// storage) until the server says that they are stored: a slow network, a closed tab or a server that died
// loses nothing, because the same answer sent twice counts once.

const STORAGE = "fer-studio desk "
const AGAIN = 4000 // ms after which answers that nobody has confirmed are sent again

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".desk")
  let desk = root.desk
  if (!desk || desk.sitting !== data.sitting) {
    if (desk) desk.close()
    desk = root.desk = new Desk(root, data)
  }
  desk.send = (message) => setStateValue("message", message)
  desk.hear(data)
  return () => {
    // Only a desk that has left the page is closed; the page may merely have run again.
    setTimeout(() => root.isConnected || desk.close(), 0)
  }
}

class Desk {
  constructor(root, data) {
    this.root = root
    this.sitting = data.sitting
    this.owner = data.owner
    this.items = []
    this.at = 0
    this.past = 0
    this.waiting = kept(this.owner)
    this.failed = new Map()
    this.told = 0
    this.times = []
    this.build(data)
    this.onkey = (event) => this.key(event)
    document.addEventListener("keydown", this.onkey)
    this.again = setInterval(() => this.waiting.length && this.tell(), AGAIN)
    this.onhide = () => this.waiting.length && this.tell()
    window.addEventListener("pagehide", this.onhide)
    this.onleave = (event) => this.waiting.length && event.preventDefault()
    window.addEventListener("beforeunload", this.onleave)
    if (this.waiting.length) queueMicrotask(() => this.tell())
  }

  close() {
    document.removeEventListener("keydown", this.onkey)
    window.removeEventListener("pagehide", this.onhide)
    window.removeEventListener("beforeunload", this.onleave)
    clearInterval(this.again)
  }

  // What the server says: more pictures, and which answers are stored.
  hear(data) {
    const stored = new Set(data.stored)
    for (const [id, why] of Object.entries(data.refused)) this.refuse(id, why)
    const before = this.waiting.length
    this.waiting = this.waiting.filter((answer) => !stored.has(answer.id))
    if (this.waiting.length !== before) keep(this.owner, this.waiting)
    this.remember(data.past)
    for (const item of data.items) {
      if (item.place === this.items.length - this.past) this.items.push(item)
    }
    // The server remembers a desk that this one has replaced: begin again.
    if (data.items.length && data.items[0].place > this.items.length - this.past) this.tell()
    this.total = data.total
    this.classes = data.classes
    this.hints = data.hints
    this.trouble = data.trouble
    this.draw()
    // Asked once for each stretch: others may have all that is left.
    const have = this.items.length - this.past
    if (this.items.length - this.at < data.ahead / 2 && this.asked !== have) {
      this.asked = have
      if (have < this.total) this.tell()
    }
  }

  // Answers of earlier sittings, the newest last: to go back to, and to take back.
  remember(past) {
    const known = new Set(this.items.map((item) => item.id))
    const older = past.filter((item) => !known.has(item.id))
    this.items.unshift(...older)
    this.past += older.length
    this.at += older.length
    this.oldest = this.oldest || (past.length === 0 && this.wanted)
    if (this.wanted && older.length) {
      this.wanted = false
      this.undo()
    }
  }

  // One message holds everything that is not confirmed yet, so that none can be lost between two runs.
  tell() {
    this.told += 1
    const have = this.items.length - this.past
    this.send({ number: this.told, have, past: this.past, older: !!this.wanted, answers: this.waiting })
  }

  refuse(id, why) {
    const answer = this.waiting.find((each) => each.id === id)
    if (!answer) return
    this.waiting = this.waiting.filter((each) => each.id !== id)
    keep(this.owner, this.waiting)
    this.failed.set(answer.sample, why)
  }

  answer(label) {
    const item = this.items[this.at]
    if (!item) return
    const id = unique()
    this.times.push(performance.now())
    item.given = label
    item.id = id
    this.failed.delete(item.sample)
    this.at += 1
    if (label !== null) {
      this.waiting.push({ id, sample: item.sample, label })
      keep(this.owner, this.waiting)
    }
    this.draw()
    this.tell()
  }

  undo() {
    let place = this.at - 1
    while (place >= 0 && this.items[place].given === undefined) place -= 1
    if (place < 0) {
      if (!this.oldest) {
        this.wanted = true
        this.tell()
      }
      return
    }
    const item = this.items[place]
    if (item.given !== null) {
      this.waiting.push({ id: unique(), sample: item.sample, undo: item.id })
      keep(this.owner, this.waiting)
      this.tell()
    }
    item.given = undefined
    this.at = place
    this.draw()
  }

  move(by) {
    this.at = Math.max(0, Math.min(this.items.length, this.at + by))
    this.draw()
  }

  key(event) {
    // A key held down would label a row of pictures that nobody has seen.
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return
    const path = event.composedPath()
    if (path.some((e) => e.tagName && /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName))) return
    const pressed = event.key.toLowerCase()
    const named = this.classes.find((each) => each.key === pressed)
    if (named) this.answer(named.name)
    else if (pressed === "enter") this.confirm()
    else if (pressed === "s") this.answer(null)
    else if (pressed === "z") this.undo()
    else if (pressed === "arrowleft") this.move(-1)
    else if (pressed === "arrowright") this.move(1)
    else return
    event.preventDefault()
    event.stopImmediatePropagation()
  }

  confirm() {
    const item = this.items[this.at]
    if (item && item.label) this.answer(item.label)
  }

  build(data) {
    this.root.innerHTML = `
      <div class="top"><span class="count"></span><span class="saved" role="status"></span></div>
      <div class="strip" aria-hidden="true"></div>
      <div class="stage"><img class="picture" alt=""><div class="said"></div></div>
      <div class="keys"></div>`
    this.root.tabIndex = -1
    const keys = this.root.querySelector(".keys")
    const button = (name, key, act, colour) => {
      const made = document.createElement("button")
      made.innerHTML = `<kbd></kbd><span></span>`
      made.querySelector("kbd").textContent = key.toUpperCase()
      made.querySelector("span").textContent = name
      if (colour) made.style.setProperty("--dot", colour)
      made.dataset.name = name
      made.onclick = () => act()
      keys.append(made)
    }
    for (const each of data.classes) button(each.name, each.key, () => this.answer(each.name), each.colour)
    button("as it is", "↵", () => this.confirm())
    button("skip", "s", () => this.answer(null))
    button("undo", "z", () => this.undo())
  }

  draw() {
    const item = this.items[this.at]
    const find = (name) => this.root.querySelector(name)
    const done = this.items.slice(this.past).filter((each) => each.given !== undefined).length
    find(".count").textContent = `${done.toLocaleString()} done of ${this.total.toLocaleString()}${this.pace()}`
    const saved = find(".saved")
    const trouble = [...this.failed.values()][0] ?? (this.waiting.length ? this.trouble : "")
    saved.className = "saved" + (trouble ? " bad" : this.waiting.length ? " busy" : "")
    saved.textContent = trouble
      ? `Not stored: ${trouble}`
      : this.waiting.length
        ? `${this.waiting.length} not stored yet`
        : this.told ? "all stored" : ""
    const picture = find(".picture")
    this.root.classList.toggle("empty", !item)
    if (item) {
      if (picture.dataset.sample !== String(item.sample)) {
        picture.dataset.sample = item.sample
        picture.src = item.src
        picture.alt = `sample ${item.sample}, labelled ${item.label ?? "nothing"}`
      }
      find(".said").textContent = this.hints ? item.said : ""
    } else {
      delete picture.dataset.sample
      picture.removeAttribute("src")
      find(".said").textContent = this.items.length - this.past < this.total ? "Loading…" : "That was the last one."
    }
    for (const button of this.root.querySelectorAll(".keys button")) {
      const name = button.dataset.name
      button.classList.toggle("given", item && item.given === name)
      button.classList.toggle("present", item && item.given === undefined && item.label === name)
    }
    const strip = find(".strip")
    const shown = []
    for (let place = this.at - 3; place <= this.at + 4; place++) {
      const other = this.items[place]
      const image = document.createElement("img")
      if (other) {
        image.src = other.src
        image.className = place === this.at ? "here" : other.given === undefined ? "" : "done"
        image.onclick = () => this.move(place - this.at)
      } else {
        image.className = "none"
        image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
      }
      image.alt = ""
      shown.push(image)
    }
    strip.replaceChildren(...shown)
  }

  pace() {
    const recent = this.times.slice(-30)
    if (recent.length < 5) return ""
    const minutes = (recent.at(-1) - recent[0]) / 60000
    return minutes > 0 ? ` · ${Math.round((recent.length - 1) / minutes)} a minute` : ""
  }
}

function unique() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("")
}

function kept(owner) {
  try {
    return JSON.parse(localStorage.getItem(STORAGE + owner)) ?? []
  } catch {
    return []
  }
}

function keep(owner, answers) {
  try {
    answers.length
      ? localStorage.setItem(STORAGE + owner, JSON.stringify(answers))
      : localStorage.removeItem(STORAGE + owner)
  } catch {
    // A browser without storage still has them in this tab.
  }
}
