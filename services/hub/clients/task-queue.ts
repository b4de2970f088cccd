import { reportFailure, type Log } from '../../lib/log.ts'
import { isThenable } from '../../lib/thenable.ts'
import type { ClientId } from '../../model/message.ts'

/** A task: a function that may return a promise. */
export type Task = () => unknown

/** The connection whose tasks a queue runs. */
interface Owner {
  readonly id: ClientId
  /** Stops and restarts reading from the peer. */
  setPaused (isPaused: boolean): void
}

/** Queued tasks at which the connection is paused. */
const HIGH_WATER = 16

/**
 * Runs the callbacks of one connection one after another, asynchronous callbacks included. A failed task is logged, and
 * the next task runs. While 16 or more tasks are queued, the connection is paused, until the queue is empty.
 */
export class TaskQueue {
  readonly #owner: Owner
  readonly #log: Log
  /** Tasks in the order of their arrival. */
  #queued: Task[] = []
  /** Tasks that arrived before all of `#queued`, in reverse order, because `pop()` costs the same at any length. */
  #next: Task[] = []
  #isBusy = false
  #isHigh = false

  constructor (owner: Owner, log: Log) {
    this.#owner = owner
    this.#log = log
  }

  /** Runs a task at once when the queue is idle, otherwise after all queued tasks. */
  run (task: Task): void {
    if (!this.#isBusy) {
      this.#start(task)
      return
    }
    this.#queued.push(task)
    if (this.#queued.length + this.#next.length >= HIGH_WATER && !this.#isHigh) {
      this.#isHigh = true
      this.#owner.setPaused(true)
    }
  }

  #start (first: Task): void {
    this.#isBusy = true
    for (let task: Task | undefined = first; task !== undefined; task = this.#take()) {
      const pending = this.#attempt(task)
      if (pending !== null) {
        // Resolved by a promise of our own, because a foreign `then` may throw.
        Promise.resolve(pending).then(() => this.#resume(), (error: unknown) => { this.#report(error); this.#resume() })
        return
      }
    }
    this.#isBusy = false
    if (!this.#isHigh) return
    this.#isHigh = false
    this.#owner.setPaused(false)
  }

  #take (): Task | undefined {
    if (this.#next.length === 0) [this.#next, this.#queued] = [this.#queued.reverse(), this.#next]
    return this.#next.pop()
  }

  #resume (): void {
    this.#start(() => {})
  }

  /** Runs a task. Returns the promise of an asynchronous task; null for a task that is done. */
  #attempt (task: Task): PromiseLike<unknown> | null {
    try {
      const result = task()
      return isThenable(result) ? result : null
    } catch (error) {
      this.#report(error)
      return null
    }
  }

  #report (error: unknown): void {
    reportFailure(this.#log, error, { clientId: this.#owner.id }, 'a message handler failed')
  }
}
