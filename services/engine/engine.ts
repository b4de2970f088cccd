import type { ClientInfo } from '../client-info.ts'
import type { Address, ClientId, Draft, Message, Offset, UserId } from '../message.ts'

/** What `append` answers. */
export interface Appended {
  readonly offset: Offset
  /** The key was used before; `offset` is that of the first time and nothing was appended. */
  readonly duplicate: boolean
}

/** Called with every appended message that concerns a followed address. Must not throw. */
export type MessageHandler = (message: Message) => void

/** What one node may ask all nodes. */
export interface Questions {
  /** How did the message at this offset fare? Answered once the node's live clients have been offered its bytes. */
  delivery: { readonly offset: Offset }
  /** Who is connected? At most `limit` clients with ids above `after`, in rising order; of one user, or the one with this id. */
  clients: { readonly id?: ClientId | undefined, readonly user?: UserId | undefined, readonly after?: ClientId | undefined, readonly limit: number }
  /** End these connections. */
  disconnect: { readonly address: Address, readonly code: number, readonly reason: string }
}

/** One node's answer to each kind of question. */
export interface Answers {
  delivery: { readonly matched: number, readonly written: number, readonly dropped: number }
  clients: { readonly total: number, readonly clients: ClientInfo[], readonly dropped: number }
  disconnect: { readonly disconnected: number }
}

/** Answers for one node. */
export type Answerer = { readonly [K in keyof Questions]: (question: Questions[K]) => Answers[K] | Promise<Answers[K]> }

/** What a question brought back. */
export interface Asked<K extends keyof Questions> {
  readonly answers: ReadonlyArray<Answers[K]>
  /** Nodes that were asked, this one included. */
  readonly asked: number
}

/** The interval of offsets that a log still holds. */
export interface LogRange {
  /** Offset of the oldest message that is kept; 0 while the log is empty. */
  readonly oldest: Offset
  /** Offset of the newest message that was ever appended; 0 before the first. */
  readonly head: Offset
}

/**
 * PORT: the log, and how nodes reach each other. `test/engine-suite.ts` checks these promises on every implementation.
 *
 * - Offsets rise strictly, stay below 2^53 and are never reused, also across restarts and crashes.
 * - `append` resolves when the message is as durable as the engine can make it; followers may see it earlier.
 *   The same key within the idempotency window resolves to the first offset with `duplicate: true` and appends nothing.
 * - Every follower of an address gets its messages exactly once, in rising offset order, on the appending node too,
 *   and before that node's `append` resolves. A handler registered by `listen` replaces none; there is one hub per engine.
 * - `read` gives messages for any of the addresses above `after`, oldest first, at most `limit`, none that have expired.
 *   When messages above `after` may be gone it throws HUB_LOG_TRUNCATED instead of leaving a silent gap.
 * - `ask` collects the answers of all nodes, and says how many nodes were asked.
 * - `close` may be called twice and waits for what it owns. Afterwards `append` and `read` reject.
 */
export interface Engine {
  append (draft: Draft): Promise<Appended>
  read (addresses: readonly Address[], after: Offset, limit: number): Promise<Message[]>
  range (): LogRange
  listen (handler: MessageHandler, answerer: Answerer): void
  follow (address: Address): void
  unfollow (address: Address): void
  ask<K extends keyof Questions> (kind: K, question: Questions[K]): Promise<Asked<K>>
  close (): Promise<void>
}
