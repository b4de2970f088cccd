import { ClientTable } from './client-table.js'
import { setText } from './text.js'
import { clock } from './time.js'

const refreshMs = 5_000

// Who is online: a page of clients, kept fresh while somebody looks at it. Reads through `list`, ends through `disconnect`.
export class ClientsView {
  #table
  #total = document.getElementById('clients-total')
  #filter = document.getElementById('clients-filter')
  #auto = document.getElementById('clients-auto')
  #status = document.getElementById('clients-status')
  #error = document.getElementById('clients-error')
  #empty = document.getElementById('clients-empty')
  #place = document.getElementById('clients-place')
  #refresh = document.getElementById('clients-refresh')
  #first = document.getElementById('clients-first')
  #next = document.getElementById('clients-next')
  #list
  #disconnect
  #confirm
  #user = ''
  #after = null
  #nextAfter = null
  #page = 1
  #turn = 0
  #timer

  constructor ({ list, disconnect, confirm, onMessage }) {
    this.#list = list
    this.#disconnect = disconnect
    this.#confirm = confirm
    this.#table = new ClientTable({ onMessage, onDisconnect: client => this.#ask(client) })
    document.getElementById('clients-filter-form').addEventListener('submit', event => {
      event.preventDefault()
      return this.#applyFilter()
    })
    this.#filter.addEventListener('change', () => this.#applyFilter())
    this.#filter.addEventListener('input', () => this.#filter.value || this.#applyFilter())
    this.#refresh.addEventListener('click', () => this.refresh())
    this.#first.addEventListener('click', () => this.#turnTo(null, 1))
    this.#next.addEventListener('click', () => this.#turnTo(this.#nextAfter, this.#page + 1))
    this.#auto.addEventListener('change', () => this.#schedule())
    document.addEventListener('visibilitychange', () => this.#schedule(0))
  }

  // Starts over, for another token.
  restart () {
    this.#table.show([])
    return this.#turnTo(null, 1)
  }

  async refresh () {
    clearTimeout(this.#timer)
    const turn = ++this.#turn
    try {
      const page = await this.#list({ after: this.#after, user: this.#user })
      if (turn !== this.#turn) return
      // The clients of a later page may all have left meanwhile.
      if (page.clients.length === 0 && this.#after) return this.#turnTo(null, 1)
      this.#show(page)
      this.#schedule()
    } catch (err) {
      if (turn === this.#turn) this.#fail(err)
    }
  }

  #turnTo (after, page) {
    this.#after = after
    this.#page = page
    setText(this.#status, '')
    return this.refresh()
  }

  #applyFilter () {
    const user = this.#filter.value.trim()
    if (user === this.#user) return
    this.#user = user
    return this.#turnTo(null, 1)
  }

  #schedule (ms = refreshMs) {
    clearTimeout(this.#timer)
    const started = this.#turn > 0
    if (!started || !this.#auto.checked || document.hidden) return
    this.#timer = setTimeout(() => this.refresh(), ms)
  }

  #show ({ total, clients, next }) {
    this.#table.show(clients)
    this.#nextAfter = next
    setText(this.#error, '')
    setText(this.#total, total.toLocaleString('en'))
    setText(this.#empty, this.#user ? `No client of “${this.#user}” is online.` : 'Nobody is online.')
    this.#empty.hidden = clients.length > 0
    const paged = this.#page > 1 || Boolean(next)
    setText(this.#place, `${paged ? `Page ${this.#page}, as` : 'As'} of ${clock(new Date())}`)
    this.#showPaging(this.#page > 1, Boolean(next))
  }

  // Rows of a while ago help while the network is away; without permission there is nothing to show or to ask again.
  #fail (err) {
    setText(this.#error, err.words ?? err.message)
    if (!err.final) return this.#schedule()
    this.#table.show([])
    setText(this.#total, '')
    setText(this.#place, '')
    this.#empty.hidden = true
    this.#showPaging(false, false)
  }

  // A button that becomes disabled or hidden loses the focus; its neighbour takes it.
  #showPaging (first, next) {
    const had = [this.#first, this.#next].find(button => button === document.activeElement)
    this.#first.disabled = !first
    this.#next.disabled = !next
    this.#first.hidden = this.#next.hidden = !first && !next
    if (!had?.disabled) return
    const heir = [this.#first, this.#next, this.#refresh].find(button => !button.disabled)
    heir.focus()
  }

  async #ask (client) {
    const sure = await this.#confirm(`Disconnect ${client.user}?`,
      `Client ${client.id} from ${client.address} is closed with code 4000 and is told not to come back by itself.`)
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
