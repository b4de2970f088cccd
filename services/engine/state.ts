/** The key of a value, in parts: `['inbox', 'bob', 'phone']`. Parts may hold any character. */
export type StateKey = readonly string[]

/** A key with its value. */
export interface StateEntry {
  readonly key: StateKey
  readonly value: unknown
}

/** Receives a value that is new or has changed; undefined for a value that was removed or has expired. */
export type StateListener = (key: StateKey, value: unknown) => void

/** Values that one `list` returns at most. */
export const MAX_LISTED = 1000

/**
 * PORT: small values with an expiry, beside the log: durable cursors, sessions that can be resumed, memberships,
 * receipts. Values are JSON. The parts of a key have at most 1000 bytes of UTF-8 in all, with `%` and `/` counted three
 * times.
 */
export interface State {
  /** The value of a key; undefined without one. */
  get (key: StateKey): Promise<unknown>
  /**
   * Replaces the value of a key. Concurrent updates of a key run one after another, so no update is lost.
   *
   * @param change Returns the new value for the present one (undefined without one); undefined removes the key. Must be
   *   synchronous and must not throw. The state may call `change` later, and more than once. A function without a
   *   parameter does not get the present value, which spares the state its parsing.
   * @param ttlMs Time in ms until the new value expires.
   * @returns The new value, when it is as durable as the state can make it.
   * @throws {HubError} HUB_STORE_FAILED when the value cannot be made durable.
   */
  update<T> (key: StateKey, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined>
  /**
   * The entries whose keys begin with the parts of `parent` and have further parts, in the order of keys.
   *
   * @param limit Entries at most; MAX_LISTED is the most that any call returns.
   */
  list (parent: StateKey, limit: number): Promise<StateEntry[]>
  /**
   * Hands the listener every present value below `parent`, then every change, in order; expiries within two seconds.
   * Resolves when the listener has received the present values: then the view of this node is complete.
   *
   * @returns A function that ends the watch.
   */
  watch (parent: StateKey, listener: StateListener): Promise<() => void>
  /** Ends all watches and releases the values. Updates in flight are completed. */
  close (): Promise<void>
}
