import { isToken } from './link.js'
import { setText } from './text.js'

const alive = new Set(['connecting', 'connected', 'waiting'])

// The token field and the one button beside it. A typed token is handed on and forgotten here: the field is emptied.
export class TokenForm {
  #form = document.getElementById('token-form')
  #field = document.getElementById('token')
  #button = document.getElementById('connect')
  #onToken
  #onToggle
  #alive = false

  constructor ({ onToken, onToggle }) {
    this.#onToken = onToken
    this.#onToggle = onToggle
    this.#form.addEventListener('submit', event => {
      event.preventDefault()
      this.#take()
    })
    this.#button.addEventListener('click', () => this.#press())
    this.#field.addEventListener('input', () => {
      this.#field.setCustomValidity('')
      this.#label()
    })
  }

  // Adapts to the state of the connection; asks for a token when the one in use is of no use any more.
  show ({ name, needsToken }, hasToken) {
    this.#alive = alive.has(name)
    this.#field.placeholder = hasToken && !needsToken ? 'In use; paste to replace' : 'Paste a token'
    this.#label()
    if (needsToken && !isTypingElsewhere(this.#form)) this.#field.focus()
  }

  ask () {
    this.#field.focus()
  }

  #press () {
    if (this.#field.value.trim()) return this.#take()
    this.#onToggle(this.#alive)
  }

  #take () {
    const token = this.#field.value.trim()
    if (!token) return this.#field.focus()
    if (!isToken(token)) return this.#complain('This is not a token: it contains spaces or signs that no token has.')
    this.#field.value = ''
    this.#label()
    this.#onToken(token)
  }

  #complain (text) {
    this.#field.setCustomValidity(text)
    this.#field.reportValidity()
  }

  #label () {
    const connects = !this.#alive || this.#field.value.trim() !== ''
    setText(this.#button, connects ? 'Connect' : 'Disconnect')
    this.#button.classList.toggle('primary', connects)
  }
}

// Somebody who writes a message must not suddenly write it into the token field.
function isTypingElsewhere (form) {
  const { activeElement } = document
  return activeElement.matches('input, textarea, select, dialog *') && !form.contains(activeElement)
}
