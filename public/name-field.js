// A field for a name. A name set by the page is returned unchanged, also with a line break or with spaces at the end;
// spaces around a typed name are removed.
export class NameField {
  #input
  #exactName = ''
  #displayedName = ''

  constructor (input) {
    this.#input = input
  }

  get value () {
    return this.#input.value === this.#displayedName ? this.#exactName : this.#input.value.trim()
  }

  set value (name) {
    this.#exactName = name
    this.#input.value = name
    this.#displayedName = this.#input.value
  }
}
