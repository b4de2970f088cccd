import { make, setText } from './text.js'
import { duration } from './time.js'

// One client in the table. It is updated in place, so that focus and selection survive a refresh.
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
  #dropped = cell('Dropped', 'number')
  #state = make('span', 'badge')
  #message = action('Message', 'message')
  #disconnect = action('Disconnect', 'disconnect')
  #client

  constructor (client, { onMessage, onDisconnect }) {
    this.element.role = 'row'
    this.element.dataset.clientId = client.id
    this.#message.addEventListener('click', () => onMessage(this.#client))
    this.#disconnect.addEventListener('click', () => onDisconnect(this.#client))
    this.element.append(
      filled(cell('Client', 'client-name'), this.#user, this.#id),
      this.#roles,
      filled(cell('Connection', 'client-connection'), this.#address, this.#protocol),
      filled(cell('Open for'), this.#opened),
      this.#received, this.#delivered, this.#dropped,
      filled(cell('State', 'client-state'), this.#state),
      filled(cell('', 'actions'), this.#message, this.#disconnect)
    )
    this.update(client)
  }

  update (client) {
    this.#client = client
    setTitled(this.#user, client.user)
    setTitled(this.#id, client.id)
    setTitled(this.#roles, client.roles.join(', ') || '–')
    this.#roles.classList.toggle('none', client.roles.length === 0)
    setTitled(this.#address, client.address)
    setTitled(this.#protocol, client.protocol)
    this.#showOpened(new Date(client.openedAt))
    setText(this.#received, client.received.toLocaleString('en'))
    setText(this.#delivered, client.delivered.toLocaleString('en'))
    setText(this.#dropped, client.dropped.toLocaleString('en'))
    this.#dropped.classList.toggle('some', client.dropped > 0)
    setText(this.#state, client.behind ? 'behind' : 'live')
    this.#state.classList.toggle('badge-behind', client.behind)
    this.#message.ariaLabel = `Message ${client.user}, client ${client.id}`
    this.#disconnect.ariaLabel = `Disconnect ${client.user}, client ${client.id}`
  }

  // Puts the focus on the button that does the same as the one that is gone.
  focus (name) {
    (name === 'message' ? this.#message : this.#disconnect).focus()
  }

  #showOpened (date) {
    if (Number.isNaN(date.getTime())) return setText(this.#opened, '–')
    setText(this.#opened, duration(date.getTime()))
    this.#opened.dateTime = date.toISOString()
    this.#opened.title = `since ${date.toLocaleString('en')}`
  }
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

function action (text, name) {
  const button = make('button', 'small', text)
  button.type = 'button'
  button.dataset.action = name
  return button
}

function setTitled (element, text) {
  setText(element, text)
  element.title = text
}
