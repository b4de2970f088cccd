import { setText } from './text.js'
import { clock } from './time.js'

const refreshMs = 5_000

// A list with pages: shows one page, refreshes the page while the tab is visible, and goes to the next page.
// read(after) resolves with { items, next }, show(page) draws the page, clear() removes the page when the token is
// refused.
// The ids of its elements begin with `name`.
export class PagedList {
  #auto = document.getElementById('auto-refresh')
  #error
  #pageInfo
  #refresh
  #first
  #next
  #read
  #draw
  #clear
  #after = null
  #nextAfter = null
  #page = 1
  #requestNumber = 0
  #timer

  constructor (name, { read, show, clear }) {
    const element = part => document.getElementById(`${name}-${part}`)
    this.#error = element('error')
    this.#pageInfo = element('page-info')
    this.#refresh = element('refresh')
    this.#first = element('first')
    this.#next = element('next')
    this.#read = read
    this.#draw = show
    this.#clear = clear
    this.#refresh.addEventListener('click', () => this.refresh())
    this.#first.addEventListener('click', () => this.restart())
    this.#next.addEventListener('click', () => this.#goTo(this.#nextAfter, this.#page + 1))
    this.#auto.addEventListener('change', () => this.#schedule())
    document.addEventListener('visibilitychange', () => this.#schedule(0))
  }

  // Goes to the first page.
  restart () {
    return this.#goTo(null, 1)
  }

  async refresh () {
    clearTimeout(this.#timer)
    const number = ++this.#requestNumber
    try {
      const page = await this.#read(this.#after)
      if (number !== this.#requestNumber) return
      // All items of a later page may have been removed.
      if (page.items.length === 0 && this.#after) return this.restart()
      this.#show(page)
      this.#schedule()
    } catch (err) {
      if (number === this.#requestNumber) this.#fail(err)
    }
  }

  #goTo (after, page) {
    this.#after = after
    this.#page = page
    return this.refresh()
  }

  #schedule (ms = refreshMs) {
    clearTimeout(this.#timer)
    const started = this.#requestNumber > 0
    if (!started || !this.#auto.checked || document.hidden) return
    this.#timer = setTimeout(() => this.refresh(), ms)
  }

  #show (page) {
    this.#draw(page)
    this.#nextAfter = page.next
    setText(this.#error, '')
    const paged = this.#page > 1 || Boolean(page.next)
    setText(this.#pageInfo, `${paged ? `Page ${this.#page}, as` : 'As'} of ${clock(new Date())}`)
    this.#showPaging(this.#page > 1, Boolean(page.next))
  }

  // Keeps the old rows when the network fails; removes the rows and stops when the token is refused.
  #fail (err) {
    setText(this.#error, err.explanation ?? err.message)
    if (!err.isFinal) return this.#schedule()
    this.#clear()
    setText(this.#pageInfo, '')
    this.#showPaging(false, false)
  }

  // Moves the focus of a button that becomes disabled or hidden to its neighbour.
  #showPaging (first, next) {
    const focused = [this.#first, this.#next].find(button => button === document.activeElement)
    this.#first.disabled = !first
    this.#next.disabled = !next
    this.#first.hidden = this.#next.hidden = !first && !next
    if (!focused?.disabled) return
    const fallback = [this.#first, this.#next, this.#refresh].find(button => !button.disabled)
    fallback.focus()
  }
}
