import { setText } from './text.js'

const titles = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  connected: 'Connected',
  waiting: 'Reconnecting…',
  closed: 'Closed',
  refused: 'Token refused'
}

// The state of the connection, with a countdown before a retry.
export class StateView {
  #root = document.getElementById('state')
  #title = document.getElementById('state-title')
  #detail = document.getElementById('state-detail')
  #spoken = document.getElementById('state-spoken')
  #retry = document.getElementById('retry')
  #timer

  constructor ({ onRetry }) {
    this.#retry.addEventListener('click', onRetry)
  }

  show (state) {
    clearTimeout(this.#timer)
    this.#root.dataset.state = state.name
    this.#showRetry(state.name === 'waiting')
    setText(this.#title, titles[state.name])
    setText(this.#detail, state.detail)
    this.#detail.title = state.detail
    // Screen readers get the state without the countdown, which would be announced every second.
    setText(this.#spoken, `${titles[state.name]} ${state.detail}`)
    if (state.name === 'waiting') this.#countDown(state.retryAt)
  }

  // Moves the focus of the hidden button to its neighbour.
  #showRetry (isShown) {
    const hasFocus = document.activeElement === this.#retry
    this.#retry.hidden = !isShown
    if (hasFocus && !isShown) document.getElementById('connect').focus()
  }

  #countDown (retryAt) {
    const seconds = Math.ceil((retryAt - Date.now()) / 1_000)
    if (seconds < 1) return setText(this.#title, titles.waiting)
    setText(this.#title, `Reconnecting in ${seconds} s`)
    this.#timer = setTimeout(() => this.#countDown(retryAt), 250)
  }
}
