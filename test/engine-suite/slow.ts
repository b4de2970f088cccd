import { HubError } from '../../services/model/errors.ts'
import type { Message, Offset } from '../../services/model/message.ts'
import { Engine } from '../../services/engine/engine.ts'
import { Lifetime } from '../../services/engine/lifetime.ts'
import { LocalBus } from '../../services/engine/local/bus.ts'
import type { Retention } from '../../services/engine/local/retention.ts'
import { MemoryState } from '../../services/engine/memory/state.ts'
import { createMemoryStore } from '../../services/engine/memory/engine.ts'
import type { Order, OrderFollower } from '../../services/engine/order.ts'
import type { LogRecord } from '../../services/engine/record.ts'
import type { State, StateEntry, StateKey, StateListener } from '../../services/engine/state.ts'
import type { Applied, Page, PageLimit, Range, Store, Summary } from '../../services/engine/store.ts'

// Ports that are slow on purpose, as a broker and a disk are: everything happens some turns of the event loop later.

/** Turns of the event loop that a slow port waits, one after another: always the same, so that a failure is repeatable. */
const TURNS = [1, 2, 1, 3, 0, 1]
/** Steps between two offsets. */
const STEPS = [1, 1, 17, 1, 1000, 2]
/** Where the log of a slow order begins: an offset is no time. */
const SLOW_ORIGIN = 7000

/** Resolves some turns of the event loop later. */
export class Turns {
  #next = 0

  async pass (): Promise<void> {
    const turns = TURNS[this.#next++ % TURNS.length] ?? 1
    for (let n = 0; n < turns; n++) await new Promise((resolve) => { setImmediate(resolve) })
  }
}

interface Proposal {
  readonly record: LogRecord
  readonly resolve: (applied: Applied) => void
}

/**
 * An order that applies records some turns later, in bursts, at offsets with steps. A test can take the log away, let
 * another node append, and lose records.
 */
export class SlowOrder implements Order {
  problem: string | null = null
  readonly origin: Offset
  readonly #turns = new Turns()
  readonly #queue: Proposal[] = []
  #follower: OrderFollower | null = null
  #last: Offset
  #drawn = 0
  #isRunning = false
  #onIdle: Array<() => void> = []

  constructor (origin: Offset = SLOW_ORIGIN) {
    this.origin = this.#last = origin
  }

  async propose (record: LogRecord): Promise<Applied> {
    if (this.problem !== null) throw new HubError('HUB_STORE_FAILED', this.problem)
    return new Promise((resolve) => {
      this.#queue.push({ record, resolve })
      if (!this.#isRunning) void this.#run()
    })
  }

  async follow (_after: Offset, follower: OrderFollower): Promise<void> {
    this.#follower = follower
  }

  /** Resolves when all proposed records are applied. */
  async close (): Promise<void> {
    if (this.#isRunning) await new Promise<void>((resolve) => { this.#onIdle.push(resolve) })
  }

  /** Applies a record of another node. */
  appendElsewhere (record: LogRecord): void {
    this.#apply(record)
  }

  /** Loses the next records. Returns the greatest offset that is lost. */
  lose (): Offset {
    const upTo = this.#draw()
    this.#follower?.hole(upTo)
    return upTo
  }

  async #run (): Promise<void> {
    this.#isRunning = true
    while (this.#queue.length > 0) {
      await this.#turns.pass()
      for (const { record, resolve } of this.#queue.splice(0)) resolve(this.#apply(record))
    }
    this.#isRunning = false
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  #apply (record: LogRecord): Applied {
    if (this.#follower === null) throw new Error('The order has no follower yet.')
    return this.#follower.apply(record, this.#draw())
  }

  #draw (): Offset {
    this.#last += STEPS[this.#drawn++ % STEPS.length] ?? 1
    return this.#last
  }
}

/** A store whose reads are awaited: a page is some turns old when it arrives. */
class AwaitedStore implements Store {
  readonly #store: Store
  readonly #turns = new Turns()

  constructor (store: Store) {
    this.#store = store
  }

  get head (): Offset {
    return this.#store.head
  }

  get problem (): string | null {
    return this.#store.problem
  }

  apply (record: LogRecord, offset: Offset): Applied {
    return this.#store.apply(record, offset)
  }

  noteHole (upTo: Offset): void {
    this.#store.noteHole(upTo)
  }

  async read (ranges: readonly Range[], limit: PageLimit): Promise<Page> {
    const page = await this.#store.read(ranges, limit)
    await this.#turns.pass()
    return page
  }

  async find (offset: Offset): Promise<Message | undefined> {
    const message = await this.#store.find(offset)
    await this.#turns.pass()
    return message
  }

  summary (range: Range): Summary {
    return this.#store.summary(range)
  }

  close (): Promise<void> {
    return this.#store.close()
  }
}

/** A state that answers some turns later, and calls `change` once more than necessary. */
export class SlowState implements State {
  readonly #state: State
  readonly #turns = new Turns()
  #updating: Promise<unknown> = Promise.resolve()

  constructor (state: State) {
    this.#state = state
  }

  async get (key: StateKey): Promise<unknown> {
    const value = await this.#state.get(key)
    await this.#turns.pass()
    return value
  }

  update<T> (key: StateKey, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined> {
    const updating = this.#update(this.#updating, key, change, ttlMs)
    this.#updating = updating.catch(() => {})
    return updating
  }

  async list (parent: StateKey, limit: number): Promise<StateEntry[]> {
    const entries = await this.#state.list(parent, limit)
    await this.#turns.pass()
    return entries
  }

  async watch (parent: StateKey, listener: StateListener): Promise<() => void> {
    await this.#turns.pass()
    return this.#state.watch(parent, listener)
  }

  async close (): Promise<void> {
    await this.#updating
    await this.#state.close()
  }

  async #update<T> (
    before: Promise<unknown>, key: StateKey, change: (present: unknown) => T | undefined, ttlMs: number
  ): Promise<T | undefined> {
    const stale = await this.#state.get(key)
    await before
    // The value that the first attempt saw may be old by now: the attempt is repeated, as after a failed comparison.
    change(stale)
    await this.#turns.pass()
    return this.#state.update(key, change, ttlMs)
  }
}

/** Creates an engine of slow ports over the memory of this process. */
export function createSlowEngine (retention: Retention): { engine: Engine, order: SlowOrder } {
  const { now = Date.now } = retention
  const lifetime = new Lifetime()
  const order = new SlowOrder()
  // Open until the state is closed: updates that were accepted before are completed.
  const stateLifetime = new Lifetime()
  const state = new SlowState(new MemoryState(now, stateLifetime))
  const engine = new Engine({
    order,
    store: new AwaitedStore(createMemoryStore(SLOW_ORIGIN, retention)),
    state: new OpenState(state, lifetime),
    bus: new LocalBus(lifetime),
    lifetime,
    now
  })
  return { engine, order }
}

/** Refuses calls after the end of a lifetime. */
class OpenState implements State {
  readonly #state: State
  readonly #lifetime: Lifetime

  constructor (state: State, lifetime: Lifetime) {
    this.#state = state
    this.#lifetime = lifetime
  }

  async get (key: StateKey): Promise<unknown> {
    this.#lifetime.assertOpen()
    return this.#state.get(key)
  }

  async update<T> (key: StateKey, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined> {
    this.#lifetime.assertOpen()
    return this.#state.update(key, change, ttlMs)
  }

  async list (parent: StateKey, limit: number): Promise<StateEntry[]> {
    this.#lifetime.assertOpen()
    return this.#state.list(parent, limit)
  }

  async watch (parent: StateKey, listener: StateListener): Promise<() => void> {
    this.#lifetime.assertOpen()
    return this.#state.watch(parent, listener)
  }

  close (): Promise<void> {
    return this.#state.close()
  }
}
