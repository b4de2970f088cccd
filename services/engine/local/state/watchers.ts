import type { StateKey, StateListener } from '../../state.ts'
import { ExpiryQueue } from '../collections/expiry-queue.ts'
import { decodeKey } from './state-key.ts'

/** Interval in ms at which expired values are looked for while values are watched. */
const SWEEP_MS = 1000

/** A value that is present when a watch begins. */
export interface PresentValue {
  /** The encoded key. */
  readonly text: string
  readonly json: string
  /** Expiry in ms since the epoch. */
  readonly until: number
}

/** One watch: the listener of the keys that begin with a prefix. */
interface Watch {
  readonly prefix: string
  readonly listener: StateListener
}

/**
 * The watches of a state. The state reports every change; the expiry of a watched value is noticed by a timer, because
 * a value that expires does not change.
 */
export class Watchers {
  readonly #now: () => number
  readonly #watches = new Set<Watch>()
  /** The expiry of each watched value, in ms since the epoch. */
  readonly #until = new Map<string, number>()
  readonly #expiries = new ExpiryQueue<string>((key, at) => this.#until.get(key) === at)
  #timer: NodeJS.Timeout | undefined

  constructor (now: () => number) {
    this.#now = now
  }

  /** Adds a watch of the keys that begin with a prefix, after handing the present values to the listener. */
  add (prefix: string, listener: StateListener, present: Iterable<PresentValue>): () => void {
    for (const { text, json, until } of present) {
      listener(decodeKey(text), JSON.parse(json))
      this.#expectExpiry(text, until)
    }
    const watch = { prefix, listener }
    this.#watches.add(watch)
    this.#timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref()
    return () => {
      this.#watches.delete(watch)
      if (this.#watches.size === 0) this.close()
    }
  }

  /** Reports a change: the new value as JSON with its expiry, or null for a value that is gone. */
  changed (text: string, change: { readonly json: string, readonly until: number } | null): void {
    if (this.#watches.size === 0) return
    const listeners = [...this.#watches].filter(({ prefix }) => text.startsWith(prefix))
    if (listeners.length === 0) return
    const key: StateKey = decodeKey(text)
    for (const { listener } of listeners) listener(key, change === null ? undefined : JSON.parse(change.json))
    if (change === null) this.#until.delete(text)
    else this.#expectExpiry(text, change.until)
  }

  /** Reports the values that have expired. */
  sweep (): void {
    for (const text of this.#expiries.take(this.#now())) this.changed(text, null)
  }

  /** Ends all watches. */
  close (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#watches.clear()
    this.#until.clear()
    this.#expiries.clear()
  }

  #expectExpiry (text: string, until: number): void {
    this.#until.set(text, until)
    this.#expiries.add(text, until)
  }
}
