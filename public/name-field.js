// A field for a name. It gives back exactly what it was given, also what cannot be typed, such as a line break or a space
// at the end; what is typed loses the spaces around it.
export class NameField {
  #input
  #given = ''
  #shown = ''

  constructor (input) {
    this.#input = input
  }

  get value () {
    return this.#input.value === this.#shown ? this.#given : this.#input.value.trim()
  }

  set value (name) {
    this.#given = name
    this.#input.value = name
    this.#shown = this.#input.value
  }
}
