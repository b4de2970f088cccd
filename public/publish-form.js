import { NameField } from './name-field.js'
import { receiptText } from './receipt.js'
import { setText } from './text.js'

const buttonTexts = { everyone: 'Send to everyone', group: 'Send to group', user: 'Send to user', client: 'Send to client' }
const idLabels = { group: 'Group', user: 'User id', client: 'Client id' }

// The form that publishes to everyone, a group, a user or a client, and shows the receipt. `publish(target, message)`
// calls the API; onMessageStatus receives the offset of a message to look up.
export class PublishForm {
  #form = document.getElementById('broadcast-form')
  #target = document.getElementById('target')
  #idField = document.getElementById('target-id-field')
  #idLabel = document.getElementById('target-id-label')
  #idInput = document.getElementById('target-id')
  #id = new NameField(this.#idInput)
  #idError = document.getElementById('target-id-error')
  #message = document.getElementById('broadcast-message')
  #messageError = document.getElementById('broadcast-message-error')
  #asJson = document.getElementById('as-json')
  #button = document.getElementById('broadcast-button')
  #receipt = document.getElementById('receipt')
  #messageStatus = document.getElementById('receipt-message-status')
  #error = document.getElementById('broadcast-error')
  #publish
  #offset
  #isBusy = false

  constructor ({ publish, onMessageStatus }) {
    this.#publish = publish
    this.#messageStatus.addEventListener('click', () => onMessageStatus(this.#offset))
    this.#target.addEventListener('change', () => {
      this.#id.value = ''
      this.#showTarget()
    })
    this.#idInput.addEventListener('input', () => mark(this.#idInput, this.#idError, ''))
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

  // Prepares a message to a group, a user or a client, and focuses the field for its text.
  address (kind, id) {
    this.#target.value = kind
    this.#id.value = id
    this.#showTarget()
    this.#form.scrollIntoView({ block: 'nearest' })
    this.#message.focus()
  }

  #showTarget () {
    const kind = this.#target.value
    this.#idField.hidden = kind === 'everyone'
    setText(this.#idLabel, idLabels[kind] ?? '')
    setText(this.#button, buttonTexts[kind])
    mark(this.#idInput, this.#idError, '')
  }

  async #submit () {
    if (this.#isBusy) return
    this.#showReceipt(null)
    setText(this.#error, '')
    const target = { kind: this.#target.value, id: this.#id.value }
    if (target.kind !== 'everyone' && !target.id) {
      return mark(this.#idInput, this.#idError, `Enter the ${idLabels[target.kind].toLowerCase()} first.`)
    }
    const { message, problem } = this.#read()
    if (problem) return mark(this.#message, this.#messageError, problem)
    await this.#send(target, message)
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

  async #send (target, message) {
    this.#setBusy(true)
    try {
      this.#showReceipt(await this.#publish(target, message))
    } catch (err) {
      setText(this.#error, err.explanation ?? err.message)
    } finally {
      this.#setBusy(false)
    }
  }

  #showReceipt (receipt) {
    setText(this.#receipt, receipt ? receiptText(receipt) : '')
    this.#messageStatus.hidden = !receipt
    this.#offset = receipt?.offset
  }

  #setBusy (isBusy) {
    this.#isBusy = isBusy
    this.#button.ariaDisabled = String(isBusy)
  }
}

function mark (field, errorElement, problem) {
  setText(errorElement, problem)
  field.ariaInvalid = String(problem !== '')
  if (problem) field.focus()
}
