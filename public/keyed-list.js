// Rows matched by key. A row that stays in the list is updated in place, so that focus and selection survive. A row is
// { element, update(item), focus(action) }; `fallbackFocus` gets the focus when the last row with the focus is removed.
export class KeyedList {
  #container
  #keyOf
  #create
  #fallbackFocus
  #rows = new Map()

  constructor (container, { keyOf, create, fallbackFocus }) {
    this.#container = container
    this.#keyOf = keyOf
    this.#create = create
    this.#fallbackFocus = fallbackFocus
  }

  show (items) {
    const focus = this.#focus()
    const keys = new Set(items.map(this.#keyOf))
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue
      row.element.remove()
      this.#rows.delete(key)
    }
    items.forEach((item, index) => this.#put(item, index))
    if (focus && !focus.element.isConnected) this.#focusNear(focus)
  }

  #put (item, index) {
    const key = this.#keyOf(item)
    const row = this.#rows.get(key) ?? this.#create(item)
    this.#rows.set(key, row)
    row.update(item)
    const current = this.#container.children[index]
    if (current !== row.element) this.#container.insertBefore(row.element, current ?? null)
  }

  #focus () {
    const { activeElement } = document
    const index = Array.prototype.findIndex.call(this.#container.children, child => child.contains(activeElement))
    if (index < 0) return null
    return { index, element: this.#container.children[index], action: activeElement.dataset.action }
  }

  // Focuses the successor of a removed row, so that keyboard users keep their position in the list.
  #focusNear ({ index, action }) {
    const element = this.#container.children[Math.min(index, this.#container.childElementCount - 1)]
    const row = [...this.#rows.values()].find(row => row.element === element)
    if (row) row.focus(action)
    else this.#fallbackFocus.focus()
  }
}
