import { setText } from './text.js'
import { clock } from './time.js'

const refreshMs = 5_000

// A list that comes in pages: it shows one, keeps it fresh while somebody looks at it, and turns to the next.
// read(after) gives { items, next }, show(page) draws it, clear() takes it away when the token allows none. Its elements
// are those whose ids begin with `name`.
export class PagedList {
  #auto = document.getElementById('auto-refresh')
  #error
  #place
  #refresh
  #first
  #next
  #read
  #draw
  #clear
  #after = null
  #nextAfter = null
  #page = 1
  #turn = 0
  #timer

  constructor (name, { read, show, clear }) {
    const element = part => document.getElementById(`${name}-${part}`)
    this.#error = element('error')
    this.#place = element('place')
    this.#refresh = element('refresh')
    this.#first = element('first')
    this.#next = element('next')
    this.#read = read
    this.#draw = show
    this.#clear = clear
    this.#refresh.addEventListener('click', () => this.refresh())
    this.#first.addEventListener('click', () => this.restart())
    this.#next.addEventListener('click', () => this.#turnTo(this.#nextAfter, this.#page + 1))
    this.#auto.addEventListener('change', () => this.#schedule())
    document.addEventListener('visibilitychange', () => this.#schedule(0))
  }

  // Begins at the first page.
  restart () {
    return this.#turnTo(null, 1)
  }

  async refresh () {
    clearTimeout(this.#timer)
    const turn = ++this.#turn
    try {
      const page = await this.#read(this.#after)
      if (turn !== this.#turn) return
      // What a later page had may all be gone meanwhile.
      if (page.items.length === 0 && this.#after) return this.restart()
      this.#show(page)
      this.#schedule()
    } catch (err) {
      if (turn === this.#turn) this.#fail(err)
    }
  }

  #turnTo (after, page) {
    this.#after = after
    this.#page = page
    return this.refresh()
  }

  #schedule (ms = refreshMs) {
    clearTimeout(this.#timer)
    const started = this.#turn > 0
    if (!started || !this.#auto.checked || document.hidden) return
    this.#timer = setTimeout(() => this.refresh(), ms)
  }

  #show (page) {
    this.#draw(page)
    this.#nextAfter = page.next
    setText(this.#error, '')
    const paged = this.#page > 1 || Boolean(page.next)
    setText(this.#place, `${paged ? `Page ${this.#page}, as` : 'As'} of ${clock(new Date())}`)
    this.#showPaging(this.#page > 1, Boolean(page.next))
  }

  // Rows of a while ago help while the network is away; without permission there is nothing to show or to ask again.
  #fail (err) {
    setText(this.#error, err.words ?? err.message)
    if (!err.final) return this.#schedule()
    this.#clear()
    setText(this.#place, '')
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
}
