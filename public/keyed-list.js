// Rows matched by key: what stays is neither rebuilt nor moved, so that focus and selection survive. A row is
// { element, update(item), focus(action) }; `heir` gets the focus when the last row that had it is gone.
export class KeyedList {
  #container
  #keyOf
  #create
  #heir
  #rows = new Map()

  constructor (container, { keyOf, create, heir }) {
    this.#container = container
    this.#keyOf = keyOf
    this.#create = create
    this.#heir = heir
  }

  show (items) {
    const focus = this.#focus()
    const keys = new Set(items.map(this.#keyOf))
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue
      row.element.remove()
      this.#rows.delete(key)
    }
    items.forEach((item, index) => this.#place(item, index))
    if (focus && !focus.element.isConnected) this.#focusNear(focus)
  }

  #place (item, index) {
    const key = this.#keyOf(item)
    const row = this.#rows.get(key) ?? this.#create(item)
    this.#rows.set(key, row)
    row.update(item)
    const there = this.#container.children[index]
    if (there !== row.element) this.#container.insertBefore(row.element, there ?? null)
  }

  #focus () {
    const { activeElement } = document
    const index = Array.prototype.findIndex.call(this.#container.children, child => child.contains(activeElement))
    if (index < 0) return null
    return { index, element: this.#container.children[index], action: activeElement.dataset.action }
  }

  // The row that had the focus is gone: its successor gets it, so that the keyboard does not start at the top again.
  #focusNear ({ index, action }) {
    const element = this.#container.children[Math.min(index, this.#container.childElementCount - 1)]
    const row = [...this.#rows.values()].find(row => row.element === element)
    if (row) row.focus(action)
    else this.#heir.focus()
  }
}
