import { setText } from './text.js'

const titles = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  connected: 'Connected',
  waiting: 'Reconnecting…',
  closed: 'Closed',
  refused: 'Token refused'
}

// The line that says how the connection is, with a countdown while it waits.
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
    // The countdown is for the eye; it would be read out every second.
    setText(this.#spoken, `${titles[state.name]} ${state.detail}`)
    if (state.name === 'waiting') this.#count(state.retryAt)
  }

  // A button that disappears loses the focus; its neighbour takes it.
  #showRetry (shown) {
    const focused = document.activeElement === this.#retry
    this.#retry.hidden = !shown
    if (focused && !shown) document.getElementById('connect').focus()
  }

  #count (retryAt) {
    const seconds = Math.ceil((retryAt - Date.now()) / 1_000)
    if (seconds < 1) return setText(this.#title, titles.waiting)
    setText(this.#title, `Reconnecting in ${seconds} s`)
    this.#timer = setTimeout(() => this.#count(retryAt), 250)
  }
}
