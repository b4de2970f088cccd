import { make } from './text.js'
import { clock } from './time.js'

const maxRows = 500
const spokenRows = 5
const arrows = {
  sent: { sign: '→', spoken: 'sent' },
  received: { sign: '←', spoken: 'received' },
  note: { sign: '·', spoken: 'note' }
}

// The log of frames: bounded, oldest first, updated once per animation frame. The log stays at the newest row unless
// the user scrolled up.
export class LogView {
  #log = document.getElementById('log')
  #empty = document.getElementById('log-empty')
  #newest = document.getElementById('log-newest')
  #counters = {
    sent: document.getElementById('count-sent'),
    received: document.getElementById('count-received')
  }

  #counts = { sent: 0, received: 0 }
  #pending = []
  #scheduled = false
  #follows = true

  constructor () {
    this.#log.addEventListener('scroll', () => this.#follow(this.#isAtNewest()))
    this.#newest.addEventListener('click', () => {
      this.#follow(true)
      this.#log.focus()
    })
    document.getElementById('log-clear').addEventListener('click', () => this.#clear())
  }

  // Adds an entry of the kind 'sent', 'received' or 'note'.
  add (kind, text) {
    if (kind in this.#counts) this.#counts[kind]++
    this.#pending.push({ kind, text, at: new Date() })
    // A hidden tab gets no animation frames: drop entries that exceed the maximum.
    if (this.#pending.length >= 2 * maxRows) this.#pending = this.#pending.slice(-maxRows)
    this.#schedule()
  }

  #schedule () {
    if (this.#scheduled) return
    this.#scheduled = true
    requestAnimationFrame(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush () {
    const entries = this.#pending.slice(-maxRows)
    this.#pending = []
    // A screen reader cannot keep up with many entries at once, so these are not announced.
    this.#log.ariaLive = entries.length > spokenRows ? 'off' : 'polite'
    const surplus = this.#log.childElementCount + entries.length - maxRows
    for (let i = 0; i < surplus; i++) this.#log.firstElementChild.remove()
    this.#log.append(...entries.map(row))
    this.#show()
    if (this.#follows) this.#toNewest()
    else this.#newest.hidden = false
  }

  #clear () {
    this.#pending = []
    this.#counts = { sent: 0, received: 0 }
    this.#log.replaceChildren()
    this.#follow(true)
    this.#show()
  }

  #show () {
    for (const [kind, counter] of Object.entries(this.#counters)) {
      counter.textContent = this.#counts[kind].toLocaleString('en')
    }
    this.#empty.hidden = this.#log.childElementCount > 0
  }

  #follow (follows) {
    this.#follows = follows
    if (!follows) return
    this.#newest.hidden = true
    if (!this.#isAtNewest()) this.#toNewest()
  }

  #toNewest () {
    this.#log.scrollTop = this.#log.scrollHeight
  }

  #isAtNewest () {
    const { scrollHeight, scrollTop, clientHeight } = this.#log
    return scrollHeight - scrollTop - clientHeight < 24
  }
}

function row ({ kind, text, at }) {
  const { sign, spoken } = arrows[kind]
  const element = make('div', `entry entry-${kind}`)
  element.dataset.kind = kind
  const time = make('time', '', clock(at))
  time.dateTime = at.toISOString()
  const arrow = make('span', 'arrow', sign)
  arrow.ariaHidden = 'true'
  element.append(time, arrow, make('span', 'spoken', spoken), make('span', 'text', text))
  return element
}
