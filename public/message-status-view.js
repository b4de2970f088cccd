import { Lookup } from './lookup.js'
import { make, setText } from './text.js'
import { duration, timeElement } from './time.js'

const shownUsers = 100
const meanings = {
  stored: 'It waits in the log.',
  sent: 'A connection of the user was given it.',
  acknowledged: 'The user has acknowledged it.',
  expired: 'Its time is over.'
}

// What became of a message. Reads through `read`.
export class FateView {
  #address = document.getElementById('fate-address')
  #at = document.getElementById('fate-at')
  #counts = document.getElementById('fate-counts')
  #users = document.getElementById('fate-users')
  #rows = document.getElementById('fate-user-rows')
  #more = document.getElementById('fate-more')
  #lookup

  constructor ({ read }) {
    this.#lookup = new Lookup('fate', {
      check: offset => isOffset(offset) ? '' : 'Enter an offset, the number in a receipt.',
      read,
      show: fate => this.#show(fate)
    })
  }

  look (offset) {
    return this.#lookup.look(String(offset))
  }

  // Forgets the message, for another token.
  clear () {
    this.#lookup.clear()
  }

  #show ({ address, at, users }) {
    const date = new Date(at)
    setText(this.#address, addressText(address))
    this.#at.replaceChildren(timeElement(date), ` · ${duration(date.getTime())} ago`)
    this.#counts.replaceChildren(...countsOf(users).map(([status, count]) => badge(status, `${count.toLocaleString('en')} ${status}`)))
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

// How many users there are in each status; of a single one the row below says it.
function countsOf (users) {
  if (users.length < 2) return []
  return Object.keys(meanings)
    .map(status => [status, users.filter(user => user.status === status).length])
    .filter(([, count]) => count > 0)
}

function moreText (total) {
  if (total === 0) return 'Nobody it is meant for is connected.'
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
