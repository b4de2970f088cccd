import type { Address, Draft, Message, Offset } from '../model/message.ts'

/** The result of `append`. */
export interface Appended {
  /** Offset of the message; for a duplicate, the offset of the first message. */
  readonly offset: Offset
  /** Whether the key was used before for the same draft. Then no message was appended. */
  readonly duplicate: boolean
  /**
   * Whether the log holds the message, as durably as the engine can make it. False for `keep: false`, and while the log
   * cannot be written.
   */
  readonly stored: boolean
}

/** A part of the messages of one address. */
export interface Range {
  readonly address: Address
  /** Only messages above this offset count; 0 begins at the beginning of the log. */
  readonly after: Offset
  /**
   * Only messages up to this offset count.
   * @default Infinity
   */
  readonly upTo?: Offset
}

/** The bounds of one page. A page holds at least one message, of any size, when there is one. */
export interface PageLimit {
  /** Messages at most. */
  readonly messages: number
  /** Bytes of all payloads at most. */
  readonly bytes: number
}

/** A part of the log: the messages of some ranges, merged by offset. */
export interface Page {
  /** In the order of their offsets. */
  readonly messages: readonly Message[]
  /**
   * Every message of the ranges up to this offset has been read; the `head` of that moment when the page reached the
   * end.
   */
  readonly upTo: Offset
  /** Greatest offset of the requested messages that are gone from the log; 0 without a gap. */
  readonly gapUpTo: Offset
}

/** The number of messages in a range, and the evictions of its address. */
export interface Summary {
  /** Messages that the log holds in the range. */
  readonly count: number
  /** Offset of the first of these messages; 0 for an empty range. */
  readonly oldest: Offset
  /**
   * Messages of the address, in the range or not, that left the log since the last purge of the address. `upTo`: the
   * greatest offset of a message that a reader misses; 0 without one.
   */
  readonly evicted: { readonly count: number, readonly upTo: Offset }
}

/** Receives every appended message, in the order of the offsets. Must not throw. */
export type MessageHandler = (message: Message) => void

/**
 * Answers the questions of all nodes for one node. Receives the kind of the question and the question, and returns this
 * node's answer, or a promise of it. Questions and answers are JSON values; the engine carries them and knows none.
 */
export type NodeResponder = (kind: string, question: unknown) => unknown

/** The answers of all nodes to one question. */
export interface QueryResult {
  readonly answers: readonly unknown[]
  /** Nodes that received the question, this node included. */
  readonly asked: number
}

/** PORT: questions from one node to all nodes. */
export interface Bus {
  /** Number of nodes, this node included. */
  readonly nodes: number
  /** Sends a question to all nodes. Rejects with the error of a responder. */
  ask (kind: string, question: unknown): Promise<QueryResult>
  /** Sets the responder of this node. */
  respond (responder: NodeResponder): void
}

/** The key of a value, in parts: `['inbox', 'bob', 'phone']`. Parts may hold any character. */
export type StateKey = readonly string[]

/**
 * Small values with an expiry, beside the log: durable cursors, sessions that can be resumed, memberships, receipts.
 * Values are JSON. The parts of a key have at most 1000 bytes of UTF-8 in all, with `%` and `/` counted three times.
 */
export interface State {
  /** The value of a key; undefined without one. */
  get (key: StateKey): Promise<unknown>
  /**
   * Replaces the value of a key. Concurrent updates of a key run one after another, so no update is lost.
   *
   * @param change Returns the new value for the present one (undefined without one); undefined removes the key. Must be
   *   synchronous and must not throw; the engine may call `change` more than once.
   * @param ttlMs Time in ms until the new value expires.
   * @returns The new value, when it is as durable as the engine can make it.
   * @throws {HubError} HUB_STORE_FAILED when the value cannot be made durable.
   */
  update<T> (key: StateKey, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined>
  /** The entries whose keys begin with the parts of `parent` and have further parts, in the order of keys. */
  list (parent: StateKey, limit: number): Promise<Array<{ readonly key: StateKey, readonly value: unknown }>>
}

/**
 * PORT: the log, the state beside the log, and the questions between nodes.
 *
 * Promises of an implementation, checked by `test/engine-suite/`:
 * - Offsets rise strictly, stay below 2^53 and are never reused, also across restarts and crashes.
 * - `append` resolves when the message is as durable as the engine can make it; followers receive the message at once.
 *   The same key for the same draft within the idempotency window resolves to the first offset with `duplicate: true`
 *   and appends no message; the same key for another draft rejects with HUB_KEY_REUSED. While the log cannot be
 *   written, followers receive the message all the same and `stored` is false.
 * - The follower of a node receives each message exactly once, in rising offset order, on the appending node too, and
 *   before that node's `append` resolves. There is one hub per engine, so `follow` is called once.
 * - `read` returns the messages of the ranges, oldest first, without expired ones. The page includes every message
 *   that a follower has received, durable or not. An eviction of a requested message is a gap, reported for exactly the
 *   address that lost the message. An offset other than 0 from before the beginning of this log is a gap as well: the
 *   log that the offset belongs to has been lost.
 * - `find` returns the message at an offset while the log holds the message, and undefined afterwards.
 * - `purge` removes the messages of an address and returns their number. Purged messages do not count as evicted.
 * - `bus.ask` collects the answers of all nodes and reports how many nodes were asked.
 * - `problem` is one sentence on why the engine cannot store right now; null while the engine works.
 * - `close` may be called twice and waits for the engine's pending work. Afterwards every other method that
 *   returns a promise rejects with HUB_DRAINING.
 */
export interface Engine {
  readonly state: State
  readonly bus: Bus
  readonly problem: string | null
  /** Offset of the last appended message; before the first message, the offset at which the log began. */
  readonly head: Offset
  /** Appends a message and hands it to the follower of each node. */
  append (draft: Draft): Promise<Appended>
  /** Reads one page. */
  read (ranges: readonly Range[], limit: PageLimit): Promise<Page>
  /** Finds one message by its offset. */
  find (offset: Offset): Promise<Message | undefined>
  /** Counts the messages of a range. */
  summary (range: Range): Promise<Summary>
  /** Removes the messages of an address. */
  purge (address: Address): Promise<number>
  /** Hands every message to the handler from now on. */
  follow (handler: MessageHandler): void
  close (): Promise<void>
}
