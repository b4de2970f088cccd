// Asks for confirmation before an action that cannot be undone. Resolves with true for the confirming button only.
export class ConfirmDialog {
  #dialog = document.getElementById('confirm')
  #title = document.getElementById('confirm-title')
  #text = document.getElementById('confirm-text')
  #yes = document.getElementById('confirm-yes')
  #resolve = () => {}

  constructor () {
    this.#yes.addEventListener('click', () => this.#settle(true))
    document.getElementById('confirm-no').addEventListener('click', () => this.#settle(false))
    // The event is asynchronous: an event of an earlier question may arrive while the dialog is open again.
    this.#dialog.addEventListener('close', () => this.#dialog.open || this.#settle(false))
  }

  // Opens the dialog. `verb` is the label of the confirming button.
  ask ({ title, text, verb }) {
    this.#settle(false)
    this.#title.textContent = title
    this.#text.textContent = text
    this.#yes.textContent = verb
    this.#dialog.showModal()
    return new Promise(resolve => { this.#resolve = resolve })
  }

  // Closes the dialog and resolves the question; only the first call for a question has an effect.
  #settle (isConfirmed) {
    this.#dialog.close()
    this.#resolve(isConfirmed)
  }
}
