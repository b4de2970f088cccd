import { isThenable } from '../../lib/thenable.ts'

/** A task that may take its time. */
export type Task = () => unknown

/** Who is told how the tasks of an owner fare. */
export interface TaskQueueHooks<Owner> {
  /** A task threw or rejected. */
  onFailure (error: unknown, owner: Owner): void
  /** Tasks pile up: whoever makes them should stop; false when they have been worked off. */
  onPressure (isHigh: boolean, owner: Owner): void
}

const HIGH_WATER = 16

/**
 * Runs the callbacks of one connection strictly one after another, asynchronous ones included. A task that fails ends
 * nothing: the next one has its turn.
 */
export class TaskQueue<Owner> {
  readonly #hooks: TaskQueueHooks<Owner>
  readonly #owner: Owner
  #waiting: Task[] = []
  #isBusy = false
  #isHigh = false

  /** The hooks serve any number of owners. */
  constructor (hooks: TaskQueueHooks<Owner>, owner: Owner) {
    this.#hooks = hooks
    this.#owner = owner
  }

  run (task: Task): void {
    if (!this.#isBusy) {
      this.#start(task)
      return
    }
    this.#waiting.push(task)
    if (this.#waiting.length === HIGH_WATER && !this.#isHigh) {
      this.#isHigh = true
      this.#hooks.onPressure(true, this.#owner)
    }
  }

  #start (first: Task): void {
    this.#isBusy = true
    for (let task: Task | undefined = first; task !== undefined; task = this.#waiting.shift()) {
      const pending = this.#attempt(task)
      if (pending !== null) {
        // Resolved by a promise of our own, because a foreign `then` may throw.
        Promise.resolve(pending).then(() => this.#resume(), (error: unknown) => { this.#hooks.onFailure(error, this.#owner); this.#resume() })
        return
      }
    }
    this.#isBusy = false
    if (!this.#isHigh) return
    this.#isHigh = false
    this.#hooks.onPressure(false, this.#owner)
  }

  #resume (): void {
    this.#start(() => {})
  }

  /** Runs a task; answers its promise when it takes its time. */
  #attempt (task: Task): PromiseLike<unknown> | null {
    try {
      const result = task()
      return isThenable(result) ? result : null
    } catch (error) {
      this.#hooks.onFailure(error, this.#owner)
      return null
    }
  }
}
