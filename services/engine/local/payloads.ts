import type { AddressKey, Message, Offset } from '../../model/message.ts'
import type { IndexRecord } from './index/index-record.ts'

/** The name and the options of a message in the form in which they are kept. */
export interface MessageForm {
  readonly name: AddressKey
  /** See `encodeOptions`. */
  readonly options: string
}

/**
 * PORT: keeps the messages of which a store has an index, and everything that the index needs again after a restart.
 * A message that could not be kept is taken out of the index (`LogIndex.lose`); a message that has left the index is
 * forgotten (`LogIndex.onRemove`).
 */
export interface Payloads {
  /** One sentence on why nothing can be written right now; null while writes succeed. */
  readonly problem: string | null
  /** Keeps a message that the index has. Whether the message is durable; a promise while the write is in flight. */
  add (message: Message, form: MessageForm): boolean | Promise<boolean>
  /** Keeps the use of an idempotency key by a message that the log does not keep. */
  addKeyUse (key: string, offset: Offset, at: number, digest: Buffer): void
  /** Keeps the loss of a message that the log cannot keep. */
  addLoss (name: AddressKey, offset: Offset): void
  /** Keeps a hole: a gap up to an offset for every address. */
  addHole (upTo: Offset): void
  /**
   * Keeps a purge of an address, which the index has made. Resolves when the purge is durable.
   *
   * @throws {HubError} HUB_STORE_FAILED when the purge could not be kept: after a restart, messages may be back.
   */
  addPurge (name: AddressKey, offset: Offset, at: number): Promise<void>
  /**
   * Loads messages, in the order of the records; at once where all of them are at hand. A damaged message is taken out
   * of the index, and the result is null: the caller selects its page again.
   */
  load (records: readonly IndexRecord[]): Message[] | Promise<Message[] | null>
  /** Completes the pending writes, for a limited time, and releases the files. */
  close (): Promise<void>
}
