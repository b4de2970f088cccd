import { backoffMs } from './backoff.js'
import { explainClose } from './close-codes.js'

const dialMs = 15_000
const stableMs = 5_000

// One WebSocket that comes back by itself while that makes sense.
// onState gets { name: 'connecting' | 'connected' | 'waiting' | 'closed' | 'refused', detail, retryAt?, needsToken? };
// onFrame a string or an ArrayBuffer; probe() says why an upgrade failed: { refused: boolean, detail }.
export class Connection {
  #url
  #probe
  #onState
  #onFrame
  #token = ''
  #socket = null
  #attempt = 0
  #turn = 0
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
    this.#dial()
  }

  close () {
    this.#abandon()
    this.#onState({ name: 'closed', detail: 'You disconnected.' })
  }

  // Ends a wait early, if there is one; the next wait still grows.
  retry () {
    if (this.#waiting) this.#dial()
  }

  // Says whether the text was handed to an open connection.
  send (text) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(text)
    return true
  }

  #dial () {
    this.#abandon()
    const turn = this.#turn
    const mine = handler => event => { if (turn === this.#turn) handler(event) }
    let opened = false

    this.#onState({ name: 'connecting', detail: this.#url.host + this.#url.pathname })
    const socket = new WebSocket(this.#url, ['hub.raw', `bearer.${this.#token}`])
    socket.binaryType = 'arraybuffer'
    socket.onopen = mine(() => {
      opened = true
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => { this.#attempt = 0 }, stableMs)
      this.#onState({ name: 'connected', detail: this.#url.host + this.#url.pathname })
    })
    socket.onmessage = mine(event => this.#onFrame(event.data))
    socket.onclose = mine(event => opened ? this.#ended(event) : this.#unopened())
    this.#socket = socket
    this.#timer = setTimeout(mine(() => {
      this.#abandon()
      this.#wait('The server did not answer in time.')
    }), dialMs)
  }

  #ended ({ code, reason }) {
    const { detail, retry, needsToken } = explainClose(code, reason)
    if (retry) return this.#wait(detail)
    this.#abandon()
    this.#onState({ name: 'closed', detail, needsToken })
  }

  // A page is not told the HTTP status of a refused upgrade, so an ordinary request asks what is wrong.
  async #unopened () {
    clearTimeout(this.#timer)
    const turn = this.#turn
    const { refused, detail } = await this.#probe()
    if (turn !== this.#turn) return
    if (!refused) return this.#wait(detail)
    this.#abandon()
    this.#onState({ name: 'refused', detail, needsToken: true })
  }

  #wait (detail) {
    clearTimeout(this.#timer)
    const ms = backoffMs(this.#attempt++)
    this.#timer = setTimeout(() => this.#dial(), ms)
    this.#waiting = true
    this.#onState({ name: 'waiting', detail, retryAt: Date.now() + ms })
  }

  // Whatever still comes from the connection before is no longer heard.
  #abandon () {
    this.#turn++
    this.#waiting = false
    clearTimeout(this.#timer)
    this.#socket?.close()
    this.#socket = null
  }
}
