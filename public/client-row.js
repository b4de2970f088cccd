import { actionButton } from './action.js'
import { make, setText, setTitled } from './text.js'
import { duration } from './time.js'

const shownGroups = 3

// One client in the table. Updates change the row in place, so that focus and selection survive a refresh.
export class ClientRow {
  element = make('tr', 'client')
  #user = make('span', 'line client-user')
  #id = make('span', 'line client-id')
  #roles = cell('Roles', 'client-roles')
  #address = make('span', 'line')
  #protocol = make('span', 'line client-protocol')
  #opened = make('time')
  #received = cell('Received', 'number')
  #delivered = cell('Delivered', 'number')
  #state = make('span', 'badge')
  #dropped = make('span', 'line some')
  #groups = actionButton('', 'groups')
  #message = actionButton('Message', 'message')
  #disconnect = actionButton('Disconnect', 'disconnect')
  #client

  constructor (clientId, { onMessage, onGroups, onDisconnect }) {
    this.element.role = 'row'
    this.element.dataset.clientId = clientId
    this.#groups.addEventListener('click', () => onGroups(this.#client))
    this.#message.addEventListener('click', () => onMessage(this.#client))
    this.#disconnect.addEventListener('click', () => onDisconnect(this.#client))
    this.element.append(
      filled(cell('Client', 'client-name'), this.#user, this.#id),
      this.#roles,
      filled(cell('Groups', 'client-groups'), this.#groups),
      filled(cell('Connection', 'client-connection'), this.#address, this.#protocol),
      filled(cell('Open for'), this.#opened),
      this.#received, this.#delivered,
      filled(cell('State', 'client-state'), this.#state, this.#dropped),
      filled(cell('', 'actions'), this.#message, this.#disconnect)
    )
  }

  update (client) {
    this.#client = client
    const name = `${client.user}, client ${client.id}`
    setTitled(this.#user, client.user)
    setTitled(this.#id, client.id)
    setTitled(this.#roles, client.roles.join(', ') || '–')
    this.#roles.classList.toggle('none', client.roles.length === 0)
    setText(this.#groups, groupsText(client) || 'Join a group')
    this.#groups.classList.toggle('none', client.groups.length === 0)
    this.#groups.title = client.groups.join(', ')
    this.#groups.ariaLabel = `Groups of ${name}: ${groupsText(client) || 'none'}`
    setTitled(this.#address, client.address)
    setTitled(this.#protocol, client.protocol)
    this.#showOpened(new Date(client.openedAt))
    setText(this.#received, client.received.toLocaleString('en'))
    setText(this.#delivered, client.delivered.toLocaleString('en'))
    setText(this.#state, client.behind ? 'behind' : 'live')
    this.#state.classList.toggle('badge-wait', client.behind)
    setText(this.#dropped, client.dropped > 0 ? `${client.dropped.toLocaleString('en')} dropped` : '')
    this.#message.ariaLabel = `Message ${name}`
    this.#disconnect.ariaLabel = `Disconnect ${name}`
  }

  // Focuses the button with the same action as a removed button.
  focus (name) {
    const button = [this.#groups, this.#message].find(button => button.dataset.action === name) ?? this.#disconnect
    button.focus()
  }

  #showOpened (date) {
    if (Number.isNaN(date.getTime())) return setText(this.#opened, '–')
    setText(this.#opened, duration(date.getTime()))
    this.#opened.dateTime = date.toISOString()
    this.#opened.title = `since ${date.toLocaleString('en')}`
  }
}

// Formats the first groups and the number of the others: a client may be in a thousand groups.
function groupsText ({ groups, groupCount }) {
  const shown = groups.slice(0, shownGroups).join(', ')
  return groupCount > shownGroups ? `${shown} +${groupCount - shownGroups}` : shown
}

function cell (label, className = '') {
  const element = make('td', className)
  element.role = 'cell'
  element.dataset.label = label
  return element
}

function filled (element, ...children) {
  element.append(...children)
  return element
}
