import { ClientRow } from './client-row.js'
import { KeyedList } from './keyed-list.js'
import { NameField } from './name-field.js'
import { PagedList } from './paged-list.js'
import { setText } from './text.js'

// The clients that are online: all, of one user, or the members of a group. `list` and `disconnect` call the API;
// onGroup receives the group of the filter.
export class ClientsView {
  #title = document.getElementById('clients-title')
  #total = document.getElementById('clients-total')
  #table = document.getElementById('clients')
  #status = document.getElementById('clients-status')
  #empty = document.getElementById('clients-empty')
  #user = new NameField(document.getElementById('clients-user'))
  #group = new NameField(document.getElementById('clients-group'))
  #filter = { user: '', group: '' }
  #rows
  #pages
  #disconnect
  #confirm
  #onGroup

  constructor ({ list, disconnect, confirm, onMessage, onGroups, onGroup }) {
    this.#disconnect = disconnect
    this.#confirm = confirm
    this.#onGroup = onGroup
    this.#rows = new KeyedList(document.getElementById('clients-rows'), {
      keyOf: client => client.id,
      create: ({ id }) => new ClientRow(id, { onMessage, onGroups, onDisconnect: client => this.#confirmDisconnect(client) }),
      fallbackFocus: document.getElementById('clients-refresh')
    })
    this.#pages = new PagedList('clients', {
      read: after => list({ after, ...this.#filter }).then(({ clients, ...page }) => ({ items: clients, ...page })),
      show: page => this.#show(page),
      clear: () => this.#clear()
    })
    const form = document.getElementById('clients-filter')
    form.addEventListener('submit', event => {
      event.preventDefault()
      return this.#applyFilter()
    })
    form.addEventListener('change', event => event.target.type === 'search' && this.#applyFilter())
    form.addEventListener('input', event => event.target.value || this.#applyFilter())
  }

  // Starts again, with another token.
  restart () {
    this.#clear()
    return this.#pages.restart()
  }

  refresh () {
    return this.#pages.refresh()
  }

  // Shows the members of a group, of all users; '' shows all clients.
  showGroup (group) {
    this.#user.value = ''
    this.#group.value = group
    this.#title.scrollIntoView({ block: 'nearest' })
    return this.#applyFilter()
  }

  #applyFilter () {
    const { user, group } = this.#filter
    const filter = { user: this.#user.value, group: this.#group.value }
    if (filter.user === user && filter.group === group) return
    this.#filter = filter
    this.#onGroup(filter.group)
    setText(this.#status, '')
    return this.#pages.restart()
  }

  #show ({ items, total }) {
    this.#rows.show(items)
    this.#table.hidden = items.length === 0
    setText(this.#total, total.toLocaleString('en'))
    setText(this.#empty, emptyText(this.#filter))
    this.#empty.hidden = items.length > 0
  }

  #clear () {
    this.#rows.show([])
    this.#table.hidden = true
    setText(this.#total, '')
    this.#empty.hidden = true
  }

  async #confirmDisconnect (client) {
    const isConfirmed = await this.#confirm({
      title: `Disconnect ${client.user}?`,
      text: `Client ${client.id} from ${client.address} is closed with code 4000, after which clients do not reconnect by themselves.`,
      verb: 'Disconnect'
    })
    if (!isConfirmed) return
    setText(this.#status, await this.#disconnectClient(client))
    await this.refresh()
  }

  // Disconnects a client. Returns the outcome as text.
  async #disconnectClient (client) {
    const name = `${client.user} (${client.id})`
    try {
      const { disconnected } = await this.#disconnect(client.id)
      return disconnected > 0 ? `Disconnected ${name}.` : `${name} was disconnected already.`
    } catch (err) {
      if (err.status === 404) return `${name} was disconnected already.`
      return `${name} was not disconnected. ${err.explanation ?? err.message}`
    }
  }
}

function emptyText ({ user, group }) {
  if (user && group) return `No client of “${user}” is in the group “${group}”.`
  if (user) return `No client of “${user}” is online.`
  return group ? `Nobody is in the group “${group}”.` : 'Nobody is online.'
}
