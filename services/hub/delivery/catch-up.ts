import { CLOSE } from '../../model/close-codes.ts'
import type { Engine, Page, PageLimit } from '../../engine/engine.ts'
import type { Offset } from '../../model/message.ts'
import { Frame } from '../outbox/batch.ts'
import type { Client } from '../clients/client.ts'
import { FrameCache } from './frame-cache.ts'
import type { Flusher } from '../outbox/flusher.ts'

/** What catching up works with. */
export interface CatchUpOptions {
  readonly engine: Engine
  readonly flusher: Flusher
  /** How much a client is given at once; it must fit into an outbox in which nothing waits. */
  readonly page: PageLimit
  /** Finds out where a connection that is new begins. */
  readonly resolveStart: (client: Client) => Promise<void>
  /** A client was told that messages are gone. */
  readonly onGap: (client: Client) => void
  /** The log could not be read for a client. Must not throw. */
  readonly onFailure: (error: unknown, client: Client) => void
}

/**
 * Brings clients that are behind to the head of the log: those that have just come, those that resume, and those that
 * were too slow. Each is given a page when its socket has taken the one before, so a client that is behind costs a number
 * and a page, however far behind it is. When nothing is left it is live: from then on it gets what is said at once.
 */
export class CatchUp {
  readonly #options: CatchUpOptions
  readonly #encoded = new FrameCache()

  constructor (options: CatchUpOptions) {
    this.#options = options
  }

  /** A new connection: is given what waits for it, and what was said since it came. */
  begin (client: Client): void {
    void this.#run(client, true)
  }

  /** A client that was live has become too slow. */
  resume (client: Client): void {
    void this.#run(client, false)
  }

  async #run (client: Client, isNew: boolean): Promise<void> {
    const { engine, resolveStart: locate, page: limit, onFailure } = this.#options
    try {
      if (isNew) await locate(client)
      else await client.outbox.drained()
      while (client.isOpen) {
        if (this.#give(client, await engine.read(client.cursor.sources(client.id, client.identity.user), limit))) return
        await client.outbox.drained()
      }
    } catch (error) {
      onFailure(error, client)
      client.close(CLOSE.internal)
    }
  }

  /** Answers true when the client is live now, or closed. */
  #give (client: Client, { messages, upTo, gapUpTo }: Page): boolean {
    const { cursor, id, outbox, protocol } = client
    // What has been said and is not handed out yet is in the page: it must not come again once the client is live.
    this.#options.flusher.runDeferred()
    if (!client.isOpen) return true
    if (gapUpTo > cursor.gapUpTo && !this.#tellGap(client, gapUpTo, messages[0]?.offset ?? Infinity)) return true
    for (const message of messages) {
      client.flushEarlyMessages(message.offset)
      if (message.except?.includes(id) !== true) {
        const frame = this.#encoded.frame(protocol, message)
        if (!outbox.offer(frame)) return false
        cursor.inboxSent = frame.ackOffset ?? cursor.inboxSent
      }
      cursor.position = message.offset
    }
    const hasPlace = cursor.isContinued || cursor.position > 0
    cursor.position = Math.max(cursor.position, upTo)
    if (cursor.inboxSent > cursor.acknowledged) client.probe(cursor.inboxSent)
    // Nothing has been said since the page was read: whatever comes next, the client gets it at once.
    if (upTo < this.#options.engine.head) return false
    client.beginLive()
    // So that it can name a place when it comes back, also when nothing has been said by then.
    if (protocol.acknowledgedBy === 'position' && !hasPlace) client.push(new Frame(protocol.encodeProbe(upTo).bytes))
    return true
  }

  /** Tells a client that messages are gone, once. `next`: the first that it gets. Answers false when that ends its connection. */
  #tellGap (client: Client, upTo: Offset, next: Offset): boolean {
    const { cursor, protocol } = client
    this.#options.onGap(client)
    cursor.gapUpTo = upTo
    const frame = protocol.encodeGap({ after: cursor.position, upTo, position: Math.min(upTo, next - 1) })
    if (frame !== null) client.push(new Frame(frame))
    // Without a word for it, a connection that had begun ends; one that is new goes on with what is left of its inbox.
    else if (cursor.isContinued || cursor.position > 0) client.close(protocol.isResumable ? CLOSE.startOver : CLOSE.gap)
    return client.isOpen
  }
}
