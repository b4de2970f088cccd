import type { ClientInfo, GroupInfo } from '../model/info.ts'
import type { Address, ClientId, Draft, Group, Message, Offset, UserId } from '../model/message.ts'

/** What `append` answers. */
export interface Appended {
  readonly offset: Offset
  /** The key was used before for the same; `offset` is that of the first time and nothing was appended. */
  readonly duplicate: boolean
  /** Whether the log has it, as durably as the engine can make it. False for `keep: false`, and while the log cannot be written. */
  readonly stored: boolean
}

/** A place in the messages of one address. */
export interface Source {
  readonly address: Address
  /** Messages above this offset are wanted. */
  readonly after: Offset
}

/** How much one page may hold. A page that would be empty otherwise holds one message, however large. */
export interface PageLimit {
  readonly messages: number
  readonly bytes: number
}

/** A part of the log. */
export interface Page {
  /** In the order of their offsets. */
  readonly messages: readonly Message[]
  /** Everything that the sources hold up to this offset has been read; the `head` of that moment when nothing is left. */
  readonly upTo: Offset
  /** Some of what was wanted is gone from the log, this offset being the greatest of it; 0 when nothing is. */
  readonly gapUpTo: Offset
}

/** A part of the messages of one address. */
export interface Range extends Source {
  /** Messages above this offset are not wanted; Infinity by default. */
  readonly upTo?: Offset
}

/** What the log has of a part of an address. */
export interface Summary {
  readonly count: number
  /** The first of them; 0 when there is none. */
  readonly oldest: Offset
  /** Messages of this address, whatever the part, that left the log since the address was last purged, and what the greatest offset of them was (0: none). */
  readonly evicted: { readonly count: number, readonly upTo: Offset }
}

/** Called with every appended message that concerns a followed address. Must not throw. */
export type MessageHandler = (message: Message) => void

/** What one node may ask all nodes. */
export interface Questions {
  /** How did the message at this offset fare? Answered once the node's live clients have been offered its bytes. */
  delivery: { readonly offset: Offset }
  /** Who is connected? At most `limit` clients with ids above `after`, in rising order; of one user or group, or the one with this id. */
  clients: { readonly id?: ClientId | undefined, readonly user?: UserId | undefined, readonly group?: Group | undefined, readonly after?: ClientId | undefined, readonly limit: number }
  /** Which groups have members? At most `limit` with names above `after`, in rising order. */
  groups: { readonly after?: Group | undefined, readonly limit: number }
  /** End these connections. */
  disconnect: { readonly address: Address, readonly code: number, readonly reason: string }
  /** Make these connections members of a group, or no members any more; `isOwnWish`: because they want it. */
  membership: { readonly address: Address, readonly group: Group, readonly isMember: boolean, readonly isOwnWish: boolean }
  /** How far has each user at this address got with the message at this offset? */
  progress: { readonly address: Address, readonly offset: Offset, readonly except: readonly ClientId[] }
}

/** One node's answer to each kind of question. */
export interface NodeAnswers {
  delivery: { readonly matched: number, readonly written: number, readonly dropped: number }
  clients: { readonly total: number, readonly clients: ClientInfo[], readonly dropped: number }
  groups: { readonly groups: GroupInfo[] }
  disconnect: { readonly disconnected: number }
  /** The users of the connections at the address, one for each connection, whether or not it changed anything for them. */
  membership: { readonly users: UserId[] }
  /** Users with a connection that the message is for; whether one of their connections has been given the message, and has acknowledged it. */
  progress: { readonly users: Array<{ readonly user: UserId, readonly isSent: boolean, readonly isAcknowledged: boolean }> }
}

/** Answers for one node. */
export type NodeResponder = { readonly [K in keyof Questions]: (question: Questions[K]) => NodeAnswers[K] | Promise<NodeAnswers[K]> }

/** What a question brought back. */
export interface QueryResult<K extends keyof Questions> {
  readonly answers: ReadonlyArray<NodeAnswers[K]>
  /** Nodes that were asked, this one included. */
  readonly asked: number
}

/**
 * The little state beside the log, each value with an end: how far users have acknowledged, connections that may be
 * resumed, memberships, receipts. Values are JSON. Keys are at most 1024 bytes of UTF-8.
 */
export interface State {
  get (key: string): Promise<unknown>
  /**
   * Puts what `change` makes of the present value (undefined when there is none) in its place, for this long; undefined
   * removes it. Nothing comes between: concurrent updates of a key are made one after another. `change` may be called
   * more than once, must not wait and must not throw. Resolves with the new value when it is as durable as the engine
   * can make it; rejects with HUB_STORE_FAILED when it cannot.
   */
  update<T> (key: string, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined>
  /** What begins with this prefix, in the order of the keys, at most `limit`. */
  list (prefix: string, limit: number): Promise<Array<{ readonly key: string, readonly value: unknown }>>
}

/**
 * PORT: the log, the little state beside it, and how nodes reach each other. `test/engine-suite.ts` checks these
 * promises on every implementation.
 *
 * - Offsets rise strictly, stay below 2^53 and are never reused, also across restarts and crashes.
 * - `append` resolves when the message is as durable as the engine can make it; followers see it at once. The same key
 *   for the same draft within the idempotency window resolves to the first offset with `duplicate: true`
 *   and appends nothing; for anything else it rejects with HUB_KEY_REUSED. When the log cannot be written, followers
 *   get the message all the same and `stored` is false.
 * - Every follower of an address gets its messages exactly once, in rising offset order, on the appending node too,
 *   and before that node's `append` resolves. A handler registered by `listen` replaces none; there is one hub per engine.
 * - `read` gives what the sources hold, oldest first, none that have expired. It has every message that a follower was
 *   handed before, whether or not it is durable yet. When something that was wanted has been evicted it says so, for
 *   exactly the address that lost it. So it does for whoever comes with an offset, other than 0, from before this log
 *   began: the log that it is from has been lost.
 * - `find` gives the message at an offset while the log has it; undefined afterwards.
 * - `purge` removes the messages of an address; answers how many. They do not count as evicted.
 * - `ask` collects the answers of all nodes, and says how many nodes were asked.
 * - `problem` says in one sentence why nothing can be stored right now; null while all is well.
 * - `close` may be called twice and waits for what it owns. Afterwards everything else rejects.
 */
export interface Engine {
  readonly state: State
  readonly problem: string | null
  /** Offset of the newest message that was ever appended; before the first, the offset at which the log began. */
  readonly head: Offset
  append (draft: Draft): Promise<Appended>
  read (sources: readonly Source[], limit: PageLimit): Promise<Page>
  find (offset: Offset): Promise<Message | undefined>
  summary (range: Range): Promise<Summary>
  purge (address: Address): Promise<number>
  listen (handler: MessageHandler, answerer: NodeResponder): void
  follow (address: Address): void
  unfollow (address: Address): void
  ask<K extends keyof Questions> (kind: K, question: Questions[K]): Promise<QueryResult<K>>
  close (): Promise<void>
}
