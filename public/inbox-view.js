import { Lookup } from './lookup.js'
import { make, setText } from './text.js'
import { duration, moment, offsetDate, timeElement } from './time.js'

// The inbox of a user: messages that are not acknowledged, and the position of each device. `read` and `purge` call the
// API;
// onMessage receives the offset of a message to look up.
export class InboxView {
  #status = document.getElementById('inbox-status')
  #count = document.getElementById('inbox-count')
  #oldest = document.getElementById('inbox-oldest')
  #dropped = document.getElementById('inbox-dropped')
  #devices = document.getElementById('inbox-devices')
  #rows = document.getElementById('inbox-device-rows')
  #empty = document.getElementById('inbox-empty')
  #button = document.getElementById('inbox-purge')
  #inbox
  #purge
  #confirm
  #lookup

  constructor ({ read, purge, confirm, onMessage }) {
    this.#purge = purge
    this.#confirm = confirm
    this.#lookup = new Lookup('inbox', {
      check: user => user ? '' : 'Enter the user id first.',
      read: user => {
        setText(this.#status, '')
        return read(user)
      },
      show: inbox => this.#show(inbox)
    })
    this.#oldest.addEventListener('click', () => onMessage(this.#inbox.oldest))
    this.#button.addEventListener('click', () => this.#confirmPurge(this.#inbox.user))
  }

  // Removes the inbox from the page, when the token changes.
  clear () {
    setText(this.#status, '')
    this.#lookup.clear()
  }

  #show (inbox) {
    const { user, count, oldest, dropped, cursors } = this.#inbox = inbox
    setText(this.#count, count.toLocaleString('en'))
    setText(this.#oldest, oldest === null ? '–' : moment(offsetDate(oldest)))
    this.#oldest.title = oldest === null ? '' : `Status of the message at offset ${oldest}`
    this.#oldest.disabled = oldest === null
    setText(this.#dropped, dropped.toLocaleString('en'))
    this.#dropped.classList.toggle('some', dropped > 0)
    this.#rows.replaceChildren(...cursors.map(deviceRow))
    this.#devices.hidden = cursors.length === 0
    setText(this.#empty, cursors.length === 0 ? 'No device has acknowledged anything.' : '')
    this.#button.ariaLabel = `Purge the inbox of ${user}`
    return `${count} ${count === 1 ? 'message waits' : 'messages wait'} for ${user}.`
  }

  async #confirmPurge (user) {
    const isConfirmed = await this.#confirm({
      title: `Purge the inbox of ${user}?`,
      text: `All messages to ${user} are removed from the log, whether or not a device has seen them. They cannot be brought back.`,
      verb: 'Purge'
    })
    if (!isConfirmed) return
    const outcome = await this.#purgeInbox(user)
    await this.#lookup.again()
    setText(this.#status, outcome)
  }

  // Purges an inbox. Returns the outcome as text.
  async #purgeInbox (user) {
    try {
      const { purged } = await this.#purge(user)
      return `Removed ${purged.toLocaleString('en')} ${purged === 1 ? 'message' : 'messages'} to ${user}.`
    } catch (err) {
      return `The inbox of ${user} was not purged. ${err.explanation ?? err.message}`
    }
  }
}

function deviceRow ({ device, scope, acknowledged, at }) {
  const row = make('tr')
  const name = make('th', device ? 'name' : 'name none', device || (scope === 'everything' ? 'everything' : 'no name'))
  name.scope = 'row'
  name.title = device
  const [upTo, updated] = [make('td', '', acknowledged === 0 ? 'nothing yet' : ''), make('td', 'number')]
  if (acknowledged > 0) upTo.append(timeElement(offsetDate(acknowledged)))
  upTo.title = `offset ${acknowledged}`
  const date = new Date(at)
  updated.append(timeElement(date, `${duration(date.getTime())} ago`))
  row.append(name, upTo, updated)
  return row
}
