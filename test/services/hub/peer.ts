import { PassThrough } from 'node:stream'
import { Frame, type Delivery } from '../../../services/hub/outbox/batch.ts'
import type { Connection } from '../../../services/hub/outbox/connection.ts'
import { Flusher } from '../../../services/hub/outbox/flusher.ts'
import { Outbox, type OutboxLimits } from '../../../services/hub/outbox/outbox.ts'

/** Resolves in the next round of the event loop. */
export const nextTick = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

/** A frame whose bytes are this text. */
export const frame = (text: string, delivery: Delivery | null = null, conflate?: string): Frame => new Frame(Buffer.from(text), delivery, conflate)

/** A flusher with a clock that can be set. */
export function newFlusher (flushIntervalMs = 0) {
  const clock = { now: 1000 }
  return Object.assign(new Flusher({ flushIntervalMs, now: () => clock.now, onFailure: (error) => { throw error } }), { clock })
}

/** A connection whose peer is the test. */
export class Peer implements Connection {
  readonly stream: PassThrough
  readonly address = 'test'
  bytesRead = 0
  isOpen = true
  isCut = false
  writes = 0
  #text = ''

  /** `highWaterMark` bytes fit into its socket before that is full. */
  constructor (highWaterMark = 1_000_000) {
    this.stream = new PassThrough({ highWaterMark })
    const write = this.stream._write.bind(this.stream)
    this.stream._write = (chunk: Buffer, ...rest) => { this.writes++; write(chunk, ...rest) }
  }

  close (): void {}
  pause (): void {}
  resume (): void {}

  terminate (): void {
    this.isCut = true
  }

  outbox (flusher: Flusher, limits: Partial<OutboxLimits> = {}): Outbox {
    return new Outbox(this, flusher, { maxBytes: 1000, maxWrites: 100, policy: 'dropNewest', ...limits })
  }

  /** Takes bytes and passes none on, until `thaw`. */
  freeze (): this {
    this.stream.cork()
    return this
  }

  thaw (): void {
    this.stream.uncork()
  }

  /** Everything that came out by now. */
  read (): string {
    for (let chunk = this.stream.read() as Buffer | null; chunk !== null; chunk = this.stream.read() as Buffer | null) this.#text += chunk.toString()
    return this.#text
  }
}
