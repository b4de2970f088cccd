import { CLOSE } from '../../model/close-codes.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Page, PageLimit } from '../../engine/store.ts'
import type { Offset } from '../../model/message.ts'
import type { Clock } from '../../lib/clock.ts'
import { reportFailure, warnSafely, type Log } from '../../lib/log.ts'
import { settledWithin } from '../../lib/timeout.ts'
import type { Gap } from '../../protocol/protocol.ts'
import { Frame } from '../outbox/batch.ts'
import type { Client } from '../clients/client.ts'
import type { Registry } from '../clients/registry.ts'
import type { FrameCache } from './frame-cache.ts'

/** Time in ms for a client to acknowledge a message that it gets alone. */
const CONFIRMATION_MS = 1000

/** Time in ms for starts and pages in one iteration of the event loop; the others follow in the next iterations. */
const SHARE_MS = 25

/**
 * Shares the event loop among the clients that catch up, and with all other work: beyond some time in one iteration,
 * the clients are queued for the next iterations, in the order of asking.
 */
class LoopShare {
  readonly #clock: Clock
  readonly #queue: Array<() => void> = []
  /** Steady time of the first start or page in this iteration; null before. */
  #beganAt: number | null = null

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /**
   * Resolves when a start or a page may run; undefined when it may run now. A new client is not queued behind others:
   * until it is live, messages can leave the log before it has read them.
   */
  next (isNew: boolean): Promise<void> | undefined {
    const began = this.#beganAt ?? this.#begin()
    if ((isNew || this.#queue.length === 0) && this.#clock.steady() - began < SHARE_MS) return undefined
    return new Promise((resolve) => this.#queue.push(resolve))
  }

  #begin (): number {
    setImmediate(this.#onIteration)
    return this.#beganAt = this.#clock.steady()
  }

  readonly #onIteration = (): void => {
    this.#beganAt = null
    if (this.#queue.length === 0) return
    const began = this.#begin()
    const release = (): void => {
      this.#queue.shift()?.()
      // Runs behind the promises of the released client.
      queueMicrotask(() => process.nextTick(() => {
        if (this.#queue.length > 0 && this.#clock.steady() - began < SHARE_MS) release()
      }))
    }
    release()
  }
}

/**
 * Brings clients that are behind to the head of the log: new clients, resumed clients and slow clients. A client gets
 * the next page when its socket has taken the page before, so a client that is behind costs a cursor and a page,
 * however far behind the client is. At the head the client is live: new messages are delivered at once.
 */
export class CatchUp {
  readonly #engine: Engine
  readonly #frames: FrameCache
  readonly #mayHaveMessage: Registry['mayHaveMessage']
  readonly #pageLimit: PageLimit
  readonly #clock: Clock
  readonly #share: LoopShare
  readonly #log: Log

  /** @param pageLimit The largest page for one client, which must fit into an empty outbox. */
  constructor (
    engine: Engine, registry: Registry, frames: FrameCache, pageLimit: PageLimit, clock: Clock, log: Log
  ) {
    this.#engine = engine
    this.#mayHaveMessage = (group, after) => registry.mayHaveMessage(group, after)
    this.#share = new LoopShare(clock)
    this.#frames = frames
    this.#pageLimit = pageLimit
    this.#clock = clock
    this.#log = log
  }

  /** Starts a new connection, once `resolve` has resolved its start position. */
  begin (client: Client, resolve: () => Promise<void>): void {
    this.#start(client, resolve).catch((error: unknown) => this.#fail(client, error))
  }

  /** Resumes a client that was live and has become too slow. */
  resume (client: Client): void {
    client.outbox.drained().then(() => this.#run(client)).catch((error: unknown) => this.#fail(client, error))
  }

  async #start (client: Client, resolve: () => Promise<void>): Promise<void> {
    const turn = this.#share.next(client.isNew)
    if (turn !== undefined) await turn
    if (!client.isOpen) return
    await resolve()
    const { redelivery } = client.cursor
    if (redelivery?.isSuspect === true && await this.#deliverOneByOne(client, redelivery.offset)) return
    await this.#run(client)
  }

  /**
   * Delivers the messages up to an offset one by one, each when the client has acknowledged the one before or has
   * outlived it, so that the end of the connection shows which message the client cannot read. Resolves with whether
   * the client needs no further page.
   */
  async #deliverOneByOne (client: Client, upTo: Offset): Promise<boolean> {
    const { cursor, outbox } = client
    while (client.isOpen && cursor.position < upTo) {
      if (await this.#deliverPage(client, { ...this.#pageLimit, messages: 1 })) return true
      await outbox.drained()
      if (cursor.redelivered === null) continue
      await settledWithin(cursor.nextAcknowledgement(), CONFIRMATION_MS)
      cursor.outlive()
    }
    return !client.isOpen
  }

  async #run (client: Client): Promise<void> {
    while (client.isOpen) {
      if (await this.#deliverPage(client, this.#pageLimit)) return
      await client.outbox.drained()
    }
  }

  /** Reads and queues a page. Resolves with whether the client needs no further page. */
  async #deliverPage (client: Client, limit: PageLimit): Promise<boolean> {
    const turn = this.#share.next(client.isNew)
    if (turn !== undefined) await turn
    if (!client.isOpen) return true
    // The page ends at the head of this moment: a group that is left out may have messages behind.
    const { head } = this.#engine
    const ranges = client.cursor.ranges(client.id, client.identity.user, head, this.#mayHaveMessage)
    const page = await this.#engine.read(ranges, limit)
    return this.#deliver(client, page, Math.min(page.upTo, head))
  }

  #fail (client: Client, error: unknown): void {
    if (!client.isOpen) return
    reportFailure(this.#log, error, { clientId: client.id }, 'the log could not be read for a client')
    client.close(CLOSE.internal)
  }

  /** Queues a page for a client. Returns whether the client needs no further page: it is live, or closed. */
  #deliver (client: Client, page: Page, upTo: Offset): boolean {
    if (!client.isOpen) return true
    const { cursor, isNew } = client
    const before = cursor.position
    const isDone = this.#queue(client, page, upTo)
    const first = page.messages[0]?.offset
    if (isNew && first !== undefined && cursor.position > before) cursor.redeliver(first, this.#clock.steady())
    return isDone
  }

  #queue (client: Client, { messages, gapUpTo }: Page, upTo: Offset): boolean {
    const { cursor, id, outbox, protocol } = client
    // For this client, each pending message is early or in the page: delivered now, while the client is not live, no
    // message comes late or twice.
    outbox.deliverPending()
    if (cursor.gap(gapUpTo) && !this.#notifyGap(client, gapUpTo, messages[0]?.offset ?? Infinity)) return true
    let missed: Gap | undefined
    for (const message of messages) {
      const { offset, except } = message
      client.flushEarlyMessages(offset)
      if (cursor.hasSkipped(offset) || cursor.precedesMembership(message)) {
        missed = { after: missed?.after ?? cursor.position, upTo: offset, position: offset }
        cursor.advance(offset, null)
        continue
      }
      if (missed !== undefined && !this.#sendGap(client, missed)) return true
      missed = undefined
      const frame = except?.includes(id) === true ? null : this.#frames.frame(protocol, message)
      if (frame !== null && !outbox.offer(frame)) return false
      cursor.advance(offset, frame?.ackOffset ?? null)
    }
    if (missed !== undefined && !this.#sendGap(client, missed)) return true
    const { hasPosition } = cursor
    cursor.advanceTo(upTo)
    if (cursor.owesAck) client.probe(cursor.ackExpected)
    // At the head there is no message after this page: the next message reaches the client by live delivery.
    if (upTo < this.#engine.head) return false
    client.beginLive()
    // Gives the client a position for its next connection, even if no message is published until then.
    if (protocol.acknowledgedBy === 'position' && !hasPosition) {
      client.push(new Frame(protocol.encodeProbe(upTo).bytes))
    }
    return true
  }

  /**
   * Notifies a client once that messages up to an offset are gone from the log.
   *
   * @param next - offset of the first message that the client still receives
   * @returns false when the gap ends the connection
   */
  #notifyGap (client: Client, upTo: Offset, next: Offset): boolean {
    const { cursor } = client
    const circumstances = { clientId: client.id, user: client.identity.user }
    warnSafely(this.#log, circumstances, 'messages for a client are gone from the log')
    return this.#sendGap(client, { after: cursor.position, upTo, position: Math.min(upTo, next - 1) })
  }

  /** Notifies a client of a gap. Returns false when the gap ends the connection. */
  #sendGap (client: Client, gap: Gap): boolean {
    const { cursor, protocol } = client
    const frame = protocol.encodeGap(gap)
    if (frame !== null) client.push(new Frame(frame))
    // A protocol without a gap notice ends a connection that had a position. A new connection continues with the
    // messages that are left.
    else if (cursor.hasPosition) client.close(protocol.isResumable ? CLOSE.startOver : CLOSE.gap)
    return client.isOpen
  }
}
