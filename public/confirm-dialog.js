// Asks before something that cannot be undone; resolves with true only for the confirming button.
export class ConfirmDialog {
  #dialog = document.getElementById('confirm')
  #title = document.getElementById('confirm-title')
  #text = document.getElementById('confirm-text')
  #yes = document.getElementById('confirm-yes')
  #resolve = () => {}

  constructor () {
    this.#yes.addEventListener('click', () => this.#answer(true))
    document.getElementById('confirm-no').addEventListener('click', () => this.#answer(false))
    // The event comes a moment after the dialog is gone: it may be the one of a question before.
    this.#dialog.addEventListener('close', () => this.#dialog.open || this.#answer(false))
  }

  // `verb` stands on the confirming button.
  ask ({ title, text, verb }) {
    this.#answer(false)
    this.#title.textContent = title
    this.#text.textContent = text
    this.#yes.textContent = verb
    this.#dialog.showModal()
    return new Promise(resolve => { this.#resolve = resolve })
  }

  // Only the first answer to a question counts.
  #answer (sure) {
    this.#dialog.close()
    this.#resolve(sure)
  }
}
