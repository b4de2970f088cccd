import { backoffMs } from './backoff.js'
import { explainClose } from './close-codes.js'

const connectTimeoutMs = 15_000
// Time that a connection must be open before the next delay starts from the beginning.
const stableMs = 5_000

// One WebSocket that reconnects by itself, unless a close code forbids a retry or the token is refused.
// onState receives { name: 'connecting' | 'connected' | 'waiting' | 'closed' | 'refused', detail, retryAt?, needsToken?
// };
// onFrame receives a string or an ArrayBuffer; probe() finds out why an upgrade failed: { refused: boolean, detail }.
export class Connection {
  #url
  #probe
  #onState
  #onFrame
  #token = ''
  #socket = null
  #attempt = 0
  #connectionNumber = 0
  #waiting = false
  #timer

  constructor ({ url, probe, onState, onFrame }) {
    this.#url = url
    this.#probe = probe
    this.#onState = onState
    this.#onFrame = onFrame
  }

  open (token) {
    this.#token = token
    this.#attempt = 0
    this.#connect()
  }

  close () {
    this.#release()
    this.#onState({ name: 'closed', detail: 'You disconnected.' })
  }

  // Reconnects at once when a retry is scheduled; the next delay still grows.
  retry () {
    if (this.#waiting) this.#connect()
  }

  // Sends a text. Returns false when the connection is not open.
  send (text) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(text)
    return true
  }

  #connect () {
    this.#release()
    const number = this.#connectionNumber
    const ifCurrent = handler => event => { if (number === this.#connectionNumber) handler(event) }
    let opened = false
    let greeted = false

    this.#onState({ name: 'connecting', detail: this.#url.host + this.#url.pathname })
    const socket = new WebSocket(this.#url, ['hub.raw', `bearer.${this.#token}`])
    socket.binaryType = 'arraybuffer'
    socket.onopen = ifCurrent(() => { opened = true })
    socket.onmessage = ifCurrent(event => {
      // A refused connection is closed before the greeting, which is the first frame.
      if (!greeted) this.#onGreeting()
      greeted = true
      this.#onFrame(event.data)
    })
    socket.onclose = ifCurrent(event => opened ? this.#onClose(event, greeted) : this.#onUpgradeFailed())
    this.#socket = socket
    this.#timer = setTimeout(ifCurrent(() => {
      this.#release()
      this.#scheduleRetry('The server did not answer in time.')
    }), connectTimeoutMs)
  }

  #onGreeting () {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => { this.#attempt = 0 }, stableMs)
    this.#onState({ name: 'connected', detail: this.#url.host + this.#url.pathname })
  }

  #onClose ({ code, reason }, greeted) {
    const { detail, retry, needsToken } = explainClose(code, reason)
    if (retry) return this.#scheduleRetry(detail)
    this.#release()
    this.#onState({ name: needsToken && !greeted ? 'refused' : 'closed', detail, needsToken })
  }

  // Browsers hide the HTTP status of a refused upgrade, so a request to the API finds the reason.
  async #onUpgradeFailed () {
    clearTimeout(this.#timer)
    const number = this.#connectionNumber
    const { refused, detail } = await this.#probe()
    if (number !== this.#connectionNumber) return
    if (!refused) return this.#scheduleRetry(detail)
    this.#release()
    this.#onState({ name: 'refused', detail, needsToken: true })
  }

  #scheduleRetry (detail) {
    clearTimeout(this.#timer)
    const ms = backoffMs(this.#attempt++)
    this.#timer = setTimeout(() => this.#connect(), ms)
    this.#waiting = true
    this.#onState({ name: 'waiting', detail, retryAt: Date.now() + ms })
  }

  // Closes the current connection; its later events are ignored.
  #release () {
    this.#connectionNumber++
    this.#waiting = false
    clearTimeout(this.#timer)
    this.#socket?.close()
    this.#socket = null
  }
}
