import { ClientRow } from './client-row.js'

// The rows of the table, matched by client id: what stays is neither rebuilt nor moved.
export class ClientTable {
  #table = document.getElementById('clients')
  #body = document.getElementById('clients-rows')
  #rows = new Map()
  #actions

  constructor (actions) {
    this.#actions = actions
  }

  show (clients) {
    const focus = this.#focus()
    const ids = new Set(clients.map(client => client.id))
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue
      row.element.remove()
      this.#rows.delete(id)
    }
    clients.forEach((client, index) => this.#place(client, index))
    this.#table.hidden = clients.length === 0
    if (focus && !ids.has(focus.id)) this.#focusNear(focus)
  }

  #place (client, index) {
    const row = this.#rows.get(client.id) ?? new ClientRow(client, this.#actions)
    if (this.#rows.has(client.id)) row.update(client)
    else this.#rows.set(client.id, row)
    const there = this.#body.children[index]
    if (there !== row.element) this.#body.insertBefore(row.element, there ?? null)
  }

  #focus () {
    const element = document.activeElement?.closest('#clients-rows tr')
    if (!element) return null
    const index = Array.prototype.indexOf.call(this.#body.children, element)
    return { id: element.dataset.clientId, index, action: document.activeElement.dataset.action }
  }

  // The row that had the focus is gone: its successor gets it, so that the keyboard does not start at the top again.
  #focusNear ({ index, action }) {
    const next = this.#body.children[Math.min(index, this.#body.childElementCount - 1)]
    const row = next && this.#rows.get(next.dataset.clientId)
    if (row) row.focus(action)
    else document.getElementById('clients-refresh').focus()
  }
}
