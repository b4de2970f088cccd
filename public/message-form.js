import { setText } from './text.js'

// Sends text over the WebSocket; `send` returns whether the text was sent.
export class MessageForm {
  #form = document.getElementById('message-form')
  #field = document.getElementById('message')
  #button = document.getElementById('send')
  #error = document.getElementById('message-error')

  constructor ({ send }) {
    this.#form.addEventListener('submit', event => {
      event.preventDefault()
      if (!this.#field.value) return this.#field.focus()
      if (!send(this.#field.value)) return setText(this.#error, 'Not connected: nothing was sent.')
      setText(this.#error, '')
      this.#field.value = ''
      this.#field.focus()
    })
  }

  // Without a connection the button stays enabled, so that pressing the button shows the reason.
  show ({ name }) {
    const connected = name === 'connected'
    this.#button.ariaDisabled = String(!connected)
    if (connected) setText(this.#error, '')
  }
}
