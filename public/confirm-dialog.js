// Asks before something that cannot be undone; resolves with true only for the confirming button.
export class ConfirmDialog {
  #dialog = document.getElementById('confirm')
  #title = document.getElementById('confirm-title')
  #text = document.getElementById('confirm-text')

  constructor () {
    document.getElementById('confirm-yes').addEventListener('click', () => this.#dialog.close('yes'))
    document.getElementById('confirm-no').addEventListener('click', () => this.#dialog.close('no'))
  }

  ask (title, text) {
    this.#title.textContent = title
    this.#text.textContent = text
    this.#dialog.returnValue = 'no'
    this.#dialog.showModal()
    return new Promise(resolve => {
      this.#dialog.addEventListener('close', () => resolve(this.#dialog.returnValue === 'yes'), { once: true })
    })
  }
}
