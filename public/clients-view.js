import { ClientRow } from './client-row.js'
import { KeyedList } from './keyed-list.js'
import { NameField } from './name-field.js'
import { PagedList } from './paged-list.js'
import { setText } from './text.js'

// Who is online: all, those of a user, the members of a group. Reads through `list`, ends through `disconnect`; onGroup
// hears of the group that is asked for.
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
      create: client => new ClientRow(client.id, { onMessage, onGroups, onDisconnect: client => this.#ask(client) }),
      heir: document.getElementById('clients-refresh')
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

  // Starts over, for another token.
  restart () {
    this.#clear()
    return this.#pages.restart()
  }

  refresh () {
    return this.#pages.refresh()
  }

  // The members of a group, whoever they are of; '' shows everyone again.
  showGroup (group) {
    this.#user.value = ''
    this.#group.value = group
    this.#title.scrollIntoView({ block: 'nearest' })
    return this.#applyFilter()
  }

  #applyFilter () {
    const { user, group } = this.#filter
    const wanted = { user: this.#user.value, group: this.#group.value }
    if (wanted.user === user && wanted.group === group) return
    this.#filter = wanted
    this.#onGroup(wanted.group)
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

  async #ask (client) {
    const sure = await this.#confirm({
      title: `Disconnect ${client.user}?`,
      text: `Client ${client.id} from ${client.address} is closed with code 4000 and is told not to come back by itself.`,
      verb: 'Disconnect'
    })
    if (!sure) return
    setText(this.#status, await this.#end(client))
    await this.refresh()
  }

  // Gives what happened in words.
  async #end (client) {
    const name = `${client.user} (${client.id})`
    try {
      const { disconnected } = await this.#disconnect(client.id)
      return disconnected > 0 ? `Disconnected ${name}.` : `${name} was gone already.`
    } catch (err) {
      if (err.status === 404) return `${name} was gone already.`
      return `${name} was not disconnected. ${err.words ?? err.message}`
    }
  }
}

function emptyText ({ user, group }) {
  if (user && group) return `No client of “${user}” is in the group “${group}”.`
  if (user) return `No client of “${user}” is online.`
  return group ? `Nobody is in the group “${group}”.` : 'Nobody is online.'
}
