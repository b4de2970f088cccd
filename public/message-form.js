import { setText } from './text.js'

// Sends what is typed over the WebSocket; `send` says whether it went out.
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

  // The button stays reachable while there is no connection: pressing it then says why nothing happens.
  show ({ name }) {
    const connected = name === 'connected'
    this.#button.ariaDisabled = String(!connected)
    if (connected) setText(this.#error, '')
  }
}
