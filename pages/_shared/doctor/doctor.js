// Tells the app what the browser says about its cameras, whenever that changes.

const EVERY = 1000 // ms between looks

export default function ({ parentElement, setStateValue }) {
  const root = parentElement.querySelector(".doctor")
  root.doctor ??= new Doctor()
  root.doctor.tell = (facts) => setStateValue("facts", facts)
  return () => {
    // Only a doctor that has left the page is closed; the page may merely have run again.
    setTimeout(() => root.isConnected || root.doctor.close(), 0)
  }
}

class Doctor {
  constructor() {
    this.said = this.failure = ""
    this.ended = false
    this.timer = setInterval(() => this.look(), EVERY)
    this.ask()
  }

  close() {
    clearInterval(this.timer)
    this.tell = () => {}
  }

  async ask() {
    try {
      this.permission = await navigator.permissions.query({ name: "camera" })
      this.permission.onchange = () => this.look()
    } catch {
      // Some browsers do not say.
    }
    this.look()
  }

  async look() {
    this.listen()
    const media = navigator.mediaDevices
    const devices = (await media?.enumerateDevices?.().catch(() => null)) ?? null
    const facts = {
      secure: window.isSecureContext && Boolean(media?.getUserMedia),
      permission: this.permission?.state ?? "unknown",
      cameras: devices?.filter((device) => device.kind === "videoinput").length ?? null,
      failure: this.failure,
      ended: this.ended,
    }
    const said = JSON.stringify(facts)
    if (said === this.said) return
    this.said = said
    this.tell?.(facts)
  }

  // The video asks for the camera in a frame of its own and keeps what the browser answers to itself.
  listen() {
    let media
    try {
      media = document.querySelector('iframe[title^="streamlit_webrtc"]')?.contentWindow.navigator.mediaDevices
    } catch {
      return // a frame of another origin says nothing
    }
    if (!media?.getUserMedia) return
    const known = media.doctor
    media.doctor = this
    if (known) return
    const ask = media.getUserMedia.bind(media)
    media.getUserMedia = async (wanted) => {
      media.doctor.hear("", false)
      try {
        const stream = await ask(wanted)
        // Never fired by Stop: only where the camera, or the permission, is gone.
        for (const track of stream.getVideoTracks()) track.onended = () => media.doctor.hear("", true)
        return stream
      } catch (error) {
        media.doctor.hear(error.name, false)
        throw error
      }
    }
  }

  hear(failure, ended) {
    this.failure = failure
    this.ended = ended
    this.look()
  }
}
