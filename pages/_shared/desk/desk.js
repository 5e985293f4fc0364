// One picture, one key, the next picture. Answers are shown at once and kept here (and in the browser's
// storage) until the server says that they are stored: a slow network, a closed tab or a server that died
// loses nothing, because the same answer sent twice counts once.

const STORAGE = "fer-studio desk "
const AGAIN = 4000 // ms after which answers that nobody has confirmed are sent again
const REST = 20000 // ms after which a desk without pictures asks whether others gave some back
const HEATS = 2 // heat maps asked for at a time: each takes the server a fraction of a second

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
    this.token = data.token
    this.owner = data.owner
    // Each tab keeps its answers apart from those of another tab of the same person.
    this.place = `${STORAGE}${this.owner} ${unique()}`
    this.items = []
    this.at = 0
    this.past = 0
    this.total = 0
    this.rest = ""
    this.waiting = kept(this.owner)
    this.failed = new Map()
    this.told = 0
    this.times = []
    this.heat = false
    this.build(data)
    // On a phone picture and buttons fill the screen: what stands above is scrolled away once.
    if (window.innerWidth <= 640) setTimeout(() => root.scrollIntoView({ block: "start" }), 300)
    this.onkey = (event) => this.key(event)
    document.addEventListener("keydown", this.onkey)
    this.again = setInterval(() => this.waiting.length && this.tell(), AGAIN)
    this.waits = setInterval(() => this.left() && !this.items[this.at] && this.tell(), REST)
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
    clearInterval(this.waits)
  }

  // What the server says: more pictures, and which answers are stored.
  hear(data) {
    if (data.token !== this.token) this.begin(data.token)
    const settled = new Set([...data.stored, ...Object.keys(data.refused)])
    for (const [id, why] of Object.entries(data.refused)) this.refuse(id, why)
    if (settled.size) {
      this.waiting = this.waiting.filter((answer) => !settled.has(answer.id))
      drop(this.owner, settled)
    }
    this.remember(data.past)
    for (const item of data.items) {
      if (item.place === this.items.length - this.past) this.items.push(this.fresh(item))
    }
    // The server remembers a desk that this one has replaced: begin again.
    if (data.items.length && data.items[0].place > this.items.length - this.past) this.tell()
    for (const item of this.items) {
      if (String(item.sample) in data.heats) item.heat = data.heats[item.sample]
    }
    if (data.total !== null) {
      this.total = data.total
      this.rest = data.rest
      this.notice = data.notice || this.notice
    }
    this.context = data.context
    this.classes = data.classes
    this.hints = data.hints
    this.canHeat = data.canHeat
    this.ahead = data.ahead
    this.trouble = data.trouble
    this.next()
    this.draw()
    // Asked once for each stretch: others may have all that is left.
    const have = this.items.length - this.past
    const low = this.items.length - this.at < data.ahead / 2 && this.asked !== have && this.left()
    if (low) this.asked = have
    if (low || this.cold().length) this.tell()
  }

  left() {
    return this.items.length - this.past < this.total
  }

  // The server was started again and made a new list: what has an answer here stays to go back to.
  begin(token) {
    this.token = token
    this.items = this.items.filter((item) => item.given !== undefined)
    this.past = this.at = this.items.length
    this.asked = undefined
  }

  // A picture whose answer is still on its way, as after a reload, needs none again.
  fresh(item) {
    const answers = this.waiting.filter((a) => a.sample === item.sample && !a.look === !item.look)
    item.ids = answers.filter((a) => !a.undo).map((a) => a.id)
    const last = answers.at(-1)
    if (last && !last.undo) item.given = last.label
    return item
  }

  // Answers of earlier sittings, the newest last: to go back to, and to take back.
  remember(past) {
    const known = new Set(this.items.flatMap((item) => item.ids))
    const older = past.filter((item) => !known.has(item.id))
    for (const item of older) item.ids = [item.id]
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
    this.send({
      number: this.told,
      token: this.token,
      have: this.items.length - this.past,
      at: Math.max(0, this.at - this.past),
      past: this.past,
      older: !!this.wanted,
      heat: this.cold(),
      answers: this.waiting,
    })
  }

  // Pictures before one's eyes whose heat map is wanted and not there.
  cold() {
    if (!this.heat || !this.canHeat) return []
    const near = this.items.slice(this.at, this.at + 4)
    return near.filter((i) => !i.look && i.heat === undefined).slice(0, HEATS).map((i) => i.sample)
  }

  refuse(id, why) {
    const answer = this.waiting.find((each) => each.id === id)
    if (answer) this.failed.set(answer.sample, why)
    for (const item of this.items) item.ids = item.ids.filter((each) => each !== id)
  }

  // Keep an answer until it is stored, and send it.
  push(answer) {
    this.waiting.push({ ...answer, context: this.context })
    keep(this.place, this.waiting)
    // Drawn afterwards: never may it say that all is stored when this is not.
    this.draw()
    this.tell()
  }

  answer(label) {
    const item = this.items[this.at]
    if (!item) return
    this.walking = false
    // What measures a person cannot be answered twice.
    const again = item.look && item.given !== undefined
    if (!again && (label !== null || item.look)) {
      const over = this.items.filter((each) => each.sample === item.sample).flatMap((each) => each.ids)
      const id = unique()
      item.ids.push(id)
      item.given = label
      this.failed.delete(item.sample)
      this.times.push(performance.now())
      this.at += 1
      this.next()
      this.push({ id, sample: item.sample, label, over, look: item.look })
      return
    }
    if (item.given === undefined) item.given = null
    this.at += 1
    this.next()
    this.draw()
    this.tell()
  }

  // Go past what has its answer.
  next() {
    if (this.at < this.items.length && this.walking) return
    while (this.items[this.at] && this.items[this.at].given !== undefined) this.at += 1
  }

  undo() {
    let place = this.at - 1
    while (place >= 0 && (this.items[place].given === undefined || this.items[place].look)) place -= 1
    if (place < 0) {
      if (!this.oldest) {
        this.wanted = true
        this.tell()
      }
      return
    }
    const item = this.items[place]
    const id = item.ids.pop()
    item.given = undefined
    this.at = place
    this.failed.delete(item.sample)
    if (id) this.push({ id: unique(), sample: item.sample, undo: id })
    else this.draw()
  }

  move(by) {
    this.walking = true
    this.at = Math.max(0, Math.min(this.items.length, this.at + by))
    this.draw()
    this.tell()
  }

  warm() {
    if (!this.canHeat) return
    this.heat = !this.heat
    this.draw()
    if (this.heat) this.tell()
  }

  key(event) {
    // A key held down would label a row of pictures that nobody has seen.
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return
    const path = event.composedPath()
    if (path.some(takesText)) return
    const pressed = event.key.toLowerCase()
    // Whoever walks from button to button presses the one that has the focus.
    if (pressed === "enter" && path.some((e) => /^(BUTTON|A|SUMMARY)$/.test(e.tagName))) return
    const named = this.classes.find((each) => each.key === pressed)
    if (named) this.answer(named.name)
    else if (pressed === "enter") this.confirm()
    else if (pressed === "s") this.answer(null)
    else if (pressed === "z") this.undo()
    else if (pressed === "h") this.warm()
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
      <div class="notice" role="status"></div>
      <div class="strip" aria-hidden="true"></div>
      <div class="stage"><img class="picture" alt=""><div class="said" aria-live="polite"></div></div>
      <div class="keys" role="group" aria-label="Which expression? Each button has a key."></div>`
    this.root.tabIndex = -1
    this.root.setAttribute("role", "region")
    this.root.setAttribute("aria-label", "Labelling desk")
    const keys = this.root.querySelector(".keys")
    const button = (name, key, act, colour, shortcut = key) => {
      const made = document.createElement("button")
      made.type = "button"
      made.innerHTML = `<kbd aria-hidden="true"></kbd><span></span>`
      made.querySelector("kbd").textContent = key.toUpperCase()
      made.querySelector("span").textContent = name
      made.setAttribute("aria-keyshortcuts", shortcut)
      if (colour) made.style.setProperty("--dot", colour)
      made.dataset.name = name
      made.onclick = (event) => {
        // After a click by hand the keys belong to the desk again, Enter and the space bar too.
        if (event.detail) made.blur()
        act()
      }
      keys.append(made)
    }
    for (const each of data.classes) button(each.name, each.key, () => this.answer(each.name), each.colour)
    button("as it is", "↵", () => this.confirm(), "", "Enter")
    button("skip", "s", () => this.answer(null))
    button("undo", "z", () => this.undo())
    button("heat map", "h", () => this.warm())
  }

  draw() {
    const item = this.items[this.at]
    const find = (name) => this.root.querySelector(name)
    const done = this.items.slice(this.past).filter((each) => each.given !== undefined).length
    find(".count").textContent = `${done.toLocaleString()} done of ${this.total.toLocaleString()}${this.pace()}`
    this.say(find(".saved"))
    find(".notice").textContent = this.notice || ""
    const picture = find(".picture")
    this.root.classList.toggle("empty", !item)
    const warm = this.heat && this.canHeat && item && item.heat
    if (item) {
      const shown = warm ? item.heat : item.src
      if (picture.dataset.sample !== String(item.sample) || picture.dataset.shown !== String(!!warm)) {
        picture.dataset.sample = item.sample
        picture.dataset.shown = !!warm
        picture.src = shown
      }
      const label = item.label ? `, labelled ${item.label}` : ""
      picture.alt = `Picture ${item.sample}${label}${warm ? ", under a heat map of where the model looked" : ""}`
      const lines = [this.hints ? item.said : "", this.warmth(item, warm)]
      find(".said").textContent = lines.filter(Boolean).join(" · ")
    } else {
      delete picture.dataset.sample
      picture.removeAttribute("src")
      find(".said").textContent = this.rest || (this.left() ? "Loading…" : "That was the last one.")
    }
    for (const button of this.root.querySelectorAll(".keys button")) {
      const name = button.dataset.name
      const given = !!item && item.given === name
      button.classList.toggle("given", given)
      button.classList.toggle("present", !!item && item.given === undefined && item.label === name)
      if (name === "heat map") {
        button.hidden = !this.canHeat
        button.setAttribute("aria-pressed", this.heat)
      } else if (this.classes && this.classes.some((each) => each.name === name)) {
        button.setAttribute("aria-pressed", given)
      }
    }
    this.strip(find(".strip"))
  }

  // Whether all is stored, and if not, why.
  say(saved) {
    const reasons = [...this.failed.values()]
    const trouble = reasons.at(-1) ?? this.trouble
    const many = reasons.length > 1 ? ` (${reasons.length} answers)` : ""
    saved.className = "saved" + (trouble ? " bad" : this.waiting.length ? " busy" : "")
    saved.textContent = trouble
      ? (reasons.length || this.waiting.length ? `Not stored${many}: ` : "") + trouble
      : this.waiting.length
        ? `${this.waiting.length} not stored yet`
        : this.told ? "all stored" : ""
  }

  warmth(item, warm) {
    if (!this.heat || !this.canHeat) return ""
    if (item.look || item.heat === "") return "no heat map for this one"
    return warm ? "light: blurring this place changes the answer most" : "looking into the network…"
  }

  strip(strip) {
    const shown = []
    for (let place = this.at - 3; place <= this.at + 4; place++) {
      const other = this.items[place]
      const image = document.createElement("img")
      if (other) {
        image.src = other.src
        image.className = place === this.at ? "here" : other.given === undefined ? "" : "done"
        if (this.failed.has(other.sample)) image.className += " failed"
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

function takesText(element) {
  if (element.isContentEditable) return true
  if (element.tagName === "INPUT") return !/^(checkbox|radio|button|submit)$/.test(element.type)
  return element.tagName === "TEXTAREA" || element.tagName === "SELECT"
}

function unique() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("")
}

function places(owner) {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(`${STORAGE}${owner} `))
  } catch {
    return []
  }
}

function read(place) {
  try {
    return JSON.parse(localStorage.getItem(place)) ?? []
  } catch {
    return []
  }
}

// Answers of every tab of this person that nobody has confirmed, each once. A tab that still lives sends
// its own too: the same answer sent twice counts once.
function kept(owner) {
  const found = new Map()
  for (const place of places(owner)) for (const answer of read(place)) found.set(answer.id, answer)
  return [...found.values()]
}

// Forget answers that are settled, whichever tab kept them.
function drop(owner, ids) {
  for (const place of places(owner)) {
    keep(
      place,
      read(place).filter((answer) => !ids.has(answer.id))
    )
  }
}

function keep(place, answers) {
  try {
    answers.length ? localStorage.setItem(place, JSON.stringify(answers)) : localStorage.removeItem(place)
  } catch {
    // A browser without storage still has them in this tab.
  }
}
