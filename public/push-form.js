import { receiptText } from './receipt.js'
import { setText } from './text.js'

const buttonTexts = { everyone: 'Send to everyone', user: 'Send to user', client: 'Send to client' }
const idLabels = { user: 'User id', client: 'Client id' }

// The form that pushes to everyone, a user or a client, and shows the receipt. `push(target, message)` gives it.
export class PushForm {
  #form = document.getElementById('broadcast-form')
  #target = document.getElementById('target')
  #idField = document.getElementById('target-id-field')
  #idLabel = document.getElementById('target-id-label')
  #id = document.getElementById('target-id')
  #idError = document.getElementById('target-id-error')
  #message = document.getElementById('broadcast-message')
  #messageError = document.getElementById('broadcast-message-error')
  #asJson = document.getElementById('as-json')
  #button = document.getElementById('broadcast-button')
  #receipt = document.getElementById('receipt')
  #error = document.getElementById('broadcast-error')
  #push
  #busy = false

  constructor ({ push }) {
    this.#push = push
    this.#target.addEventListener('change', () => {
      this.#id.value = ''
      this.#showTarget()
    })
    this.#id.addEventListener('input', () => mark(this.#id, this.#idError, ''))
    this.#message.addEventListener('input', () => mark(this.#message, this.#messageError, ''))
    this.#asJson.addEventListener('change', () => mark(this.#message, this.#messageError, ''))
    this.#message.addEventListener('keydown', event => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.#form.requestSubmit()
    })
    this.#form.addEventListener('submit', event => {
      event.preventDefault()
      return this.#submit()
    })
    this.#showTarget()
  }

  // Prepares a message to one client; the text is left to be written.
  address (clientId) {
    this.#target.value = 'client'
    this.#id.value = clientId
    this.#showTarget()
    this.#form.scrollIntoView({ block: 'nearest' })
    this.#message.focus()
  }

  #showTarget () {
    const kind = this.#target.value
    this.#idField.hidden = kind === 'everyone'
    setText(this.#idLabel, idLabels[kind] ?? '')
    setText(this.#button, buttonTexts[kind])
    mark(this.#id, this.#idError, '')
  }

  async #submit () {
    if (this.#busy) return
    setText(this.#receipt, '')
    setText(this.#error, '')
    const target = { kind: this.#target.value, id: this.#id.value.trim() }
    if (target.kind !== 'everyone' && !target.id) {
      return mark(this.#id, this.#idError, `Enter the ${idLabels[target.kind].toLowerCase()} first.`)
    }
    const { message, problem } = this.#read()
    if (problem) return mark(this.#message, this.#messageError, problem)
    await this.#deliver(target, message)
  }

  #read () {
    const text = this.#message.value
    if (!text) return { problem: 'Write a message first.' }
    if (!this.#asJson.checked) return { message: text }
    try {
      return { message: JSON.parse(text) }
    } catch (err) {
      return { problem: `Not valid JSON: ${err.message}` }
    }
  }

  async #deliver (target, message) {
    this.#setBusy(true)
    try {
      const receipt = await this.#push(target, message)
      setText(this.#receipt, receiptText(receipt))
    } catch (err) {
      setText(this.#error, err.words ?? err.message)
    } finally {
      this.#setBusy(false)
    }
  }

  #setBusy (busy) {
    this.#busy = busy
    this.#button.ariaDisabled = String(busy)
  }
}

function mark (field, errorElement, problem) {
  setText(errorElement, problem)
  field.ariaInvalid = String(problem !== '')
  if (problem) field.focus()
}
