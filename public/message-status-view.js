import { Lookup } from './lookup.js'
import { make, setText } from './text.js'
import { duration, timeElement } from './time.js'

const shownUsers = 100
const meanings = {
  stored: 'In the log, not sent to the user yet.',
  sent: 'Sent to a connection of the user.',
  acknowledged: 'Acknowledged by the user.',
  skipped: 'A device could not read it.',
  expired: 'Its time to live has ended.'
}

// The status of a message for each user. `read` calls the API.
export class MessageStatusView {
  #address = document.getElementById('message-status-address')
  #at = document.getElementById('message-status-at')
  #counts = document.getElementById('message-status-counts')
  #users = document.getElementById('message-status-users')
  #rows = document.getElementById('message-status-user-rows')
  #more = document.getElementById('message-status-more')
  #lookup

  constructor ({ read }) {
    this.#lookup = new Lookup('message-status', {
      check: offset => isOffset(offset) ? '' : 'Enter an offset, the number in a receipt.',
      read,
      show: status => this.#show(status)
    })
  }

  // Shows the status of the message at an offset.
  lookUp (offset) {
    return this.#lookup.lookUp(String(offset))
  }

  // Removes the message from the page, when the token changes.
  clear () {
    this.#lookup.clear()
  }

  #show ({ address, at, users }) {
    const date = new Date(at)
    setText(this.#address, addressText(address))
    this.#at.replaceChildren(timeElement(date), ` · ${duration(date.getTime())} ago`)
    const badges = countsOf(users).map(([status, count]) => badge(status, `${count.toLocaleString('en')} ${status}`))
    this.#counts.replaceChildren(...badges)
    this.#rows.replaceChildren(...users.slice(0, shownUsers).map(userRow))
    this.#users.hidden = users.length === 0
    setText(this.#more, moreText(users.length))
    return `A message to ${addressText(address)}, for ${users.length} ${users.length === 1 ? 'user' : 'users'}.`
  }
}

function isOffset (text) {
  return /^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(Number(text))
}

function addressText (address) {
  if ('user' in address) return `user ${address.user}`
  if ('group' in address) return `group ${address.group}`
  if ('client' in address) return `client ${address.client}`
  return 'everyone'
}

// Counts the users in each status; a single user has the status in its row only.
function countsOf (users) {
  if (users.length < 2) return []
  return Object.keys(meanings)
    .map(status => [status, users.filter(user => user.status === status).length])
    .filter(([, count]) => count > 0)
}

function moreText (total) {
  if (total === 0) return 'No recipient is connected.'
  return total > shownUsers ? `The first ${shownUsers} of ${total.toLocaleString('en')} users.` : ''
}

function userRow ({ user, status }) {
  const row = make('tr')
  const name = make('th', 'name', user)
  name.scope = 'row'
  name.title = user
  const cell = make('td', 'number')
  cell.append(badge(status, status))
  row.append(name, cell)
  return row
}

function badge (status, text) {
  const element = make('span', 'badge', text)
  element.dataset.status = status
  element.title = meanings[status] ?? ''
  return element
}
