import { NameField } from './name-field.js'
import { setText } from './text.js'

// A panel that looks up one item by its name: a field, and the newest result below the field. check(name) returns a
// problem as text or '', read(name) resolves with the result; show(result) draws the result and returns a sentence for
// screen readers. The ids of its elements begin with `name`.
export class Lookup {
  #panel
  #input
  #field
  #error
  #hint
  #result
  #spoken
  #check
  #read
  #show
  #shownName = ''
  #requestNumber = 0

  constructor (name, { check, read, show }) {
    const element = part => document.getElementById(`${name}-${part}`)
    this.#panel = element('title')
    this.#input = element('field')
    this.#field = new NameField(this.#input)
    this.#error = element('error')
    this.#hint = element('hint')
    this.#result = element('answer')
    this.#spoken = element('spoken')
    this.#check = check
    this.#read = read
    this.#show = show
    this.#input.addEventListener('input', () => { this.#input.ariaInvalid = 'false' })
    element('form').addEventListener('submit', event => {
      event.preventDefault()
      return this.#submit()
    })
  }

  // Looks up a name that another part of the page shows.
  lookUp (name) {
    this.#field.value = name
    this.#panel.scrollIntoView({ block: 'nearest' })
    this.#input.focus({ preventScroll: true })
    return this.#submit()
  }

  // Repeats the lookup of the shown name.
  again () {
    return this.#request(this.#shownName)
  }

  // Removes the result, when the token changes.
  clear () {
    this.#requestNumber++
    this.#hideResult('')
  }

  #submit () {
    const name = this.#field.value
    const problem = this.#check(name)
    if (!problem) return this.#request(name)
    this.#requestNumber++
    this.#hideResult(problem)
    this.#input.ariaInvalid = 'true'
    this.#input.focus()
  }

  async #request (name) {
    const number = ++this.#requestNumber
    this.#shownName = name
    try {
      const result = await this.#read(name)
      if (number !== this.#requestNumber) return
      setText(this.#error, '')
      setText(this.#spoken, this.#show(result))
      this.#result.hidden = false
      this.#hint.hidden = true
    } catch (err) {
      if (number === this.#requestNumber) this.#hideResult(err.explanation ?? err.message)
    }
  }

  #hideResult (problem) {
    setText(this.#error, problem)
    setText(this.#spoken, '')
    this.#result.hidden = true
    this.#hint.hidden = problem !== ''
  }
}
