import { NameField } from './name-field.js'
import { setText } from './text.js'

// A panel that is asked for one thing by its name: a field, and the newest answer below it. check(name) gives a problem in
// words or nothing, read(name) the answer; show(answer) draws it, and gives it in one sentence for those who listen. Its
// elements are those whose ids begin with `name`.
export class Lookup {
  #panel
  #input
  #field
  #error
  #hint
  #answer
  #spoken
  #check
  #read
  #show
  #asked = ''
  #turn = 0

  constructor (name, { check, read, show }) {
    const element = part => document.getElementById(`${name}-${part}`)
    this.#panel = element('title')
    this.#input = element('field')
    this.#field = new NameField(this.#input)
    this.#error = element('error')
    this.#hint = element('hint')
    this.#answer = element('answer')
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

  // Asks for something that was met elsewhere on the page.
  look (name) {
    this.#field.value = name
    this.#panel.scrollIntoView({ block: 'nearest' })
    this.#input.focus({ preventScroll: true })
    return this.#submit()
  }

  // Asks once more for what is shown.
  again () {
    return this.#ask(this.#asked)
  }

  // Forgets the answer, for another token.
  clear () {
    this.#turn++
    this.#hideAnswer('')
  }

  #submit () {
    const name = this.#field.value
    const problem = this.#check(name)
    if (!problem) return this.#ask(name)
    this.#turn++
    this.#hideAnswer(problem)
    this.#input.ariaInvalid = 'true'
    this.#input.focus()
  }

  async #ask (name) {
    const turn = ++this.#turn
    this.#asked = name
    try {
      const answer = await this.#read(name)
      if (turn !== this.#turn) return
      setText(this.#error, '')
      setText(this.#spoken, this.#show(answer))
      this.#answer.hidden = false
      this.#hint.hidden = true
    } catch (err) {
      if (turn === this.#turn) this.#hideAnswer(err.words ?? err.message)
    }
  }

  #hideAnswer (problem) {
    setText(this.#error, problem)
    setText(this.#spoken, '')
    this.#answer.hidden = true
    this.#hint.hidden = problem !== ''
  }
}
