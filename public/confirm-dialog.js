// Asks before something that cannot be undone; resolves with true only for the confirming button.
export class ConfirmDialog {
  #dialog = document.getElementById('confirm')
  #title = document.getElementById('confirm-title')
  #text = document.getElementById('confirm-text')
  #resolve = () => {}

  constructor () {
    document.getElementById('confirm-yes').addEventListener('click', () => this.#answer(true))
    document.getElementById('confirm-no').addEventListener('click', () => this.#answer(false))
    // The event comes a moment after the dialog is gone: it may be the one of a question before.
    this.#dialog.addEventListener('close', () => this.#dialog.open || this.#answer(false))
  }

  ask (title, text) {
    this.#answer(false)
    this.#title.textContent = title
    this.#text.textContent = text
    this.#dialog.showModal()
    return new Promise(resolve => { this.#resolve = resolve })
  }

  // Only the first answer to a question counts.
  #answer (sure) {
    this.#dialog.close()
    this.#resolve(sure)
  }
}
