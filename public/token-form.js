import { isToken } from './link.js'
import { setText } from './text.js'

const activeStates = new Set(['connecting', 'connected', 'waiting'])

// The token field and its button. A typed token is passed to onToken and removed from the field.
export class TokenForm {
  #form = document.getElementById('token-form')
  #field = document.getElementById('token')
  #button = document.getElementById('connect')
  #onToken
  #onToggle
  #isActive = false

  constructor ({ onToken, onToggle }) {
    this.#onToken = onToken
    this.#onToggle = onToggle
    this.#form.addEventListener('submit', event => {
      event.preventDefault()
      this.#submit()
    })
    this.#button.addEventListener('click', () => this.#press())
    this.#field.addEventListener('input', () => {
      this.#field.setCustomValidity('')
      this.#updateButton()
    })
  }

  // Adapts to the state of the connection; focuses the field when the current token is no longer valid.
  show ({ name, needsToken }, hasToken) {
    this.#isActive = activeStates.has(name)
    this.#field.placeholder = hasToken && !needsToken ? 'In use; paste to replace' : 'Paste a token'
    this.#updateButton()
    if (needsToken && !isTypingElsewhere(this.#form)) this.#field.focus()
  }

  // Focuses the field, to ask for a token.
  ask () {
    this.#field.focus()
  }

  #press () {
    if (this.#field.value.trim()) return this.#submit()
    this.#onToggle(this.#isActive)
  }

  #submit () {
    const token = this.#field.value.trim()
    if (!token) return this.#field.focus()
    if (!isToken(token)) return this.#showProblem('This is not a token: it contains spaces or signs that no token has.')
    this.#field.value = ''
    this.#updateButton()
    this.#onToken(token)
  }

  #showProblem (text) {
    this.#field.setCustomValidity(text)
    this.#field.reportValidity()
  }

  #updateButton () {
    const connects = !this.#isActive || this.#field.value.trim() !== ''
    setText(this.#button, connects ? 'Connect' : 'Disconnect')
    this.#button.classList.toggle('primary', connects)
  }
}

// Tells whether the user types in another field, whose text must not continue in the token field.
function isTypingElsewhere (form) {
  const { activeElement } = document
  return activeElement.matches('input, textarea, select, dialog *') && !form.contains(activeElement)
}
