import { PassThrough } from 'node:stream'
import type { Engine } from '../../../services/engine/engine.ts'
import { Client, type ClientParts } from '../../../services/hub/clients/client.ts'
import { Cursor } from '../../../services/hub/clients/cursor.ts'
import type { HubOptions } from '../../../services/hub/options.ts'
import { Frame, type Delivery } from '../../../services/hub/outbox/batch.ts'
import type { Connection } from '../../../services/hub/outbox/connection.ts'
import { Flusher } from '../../../services/hub/outbox/flusher.ts'
import { Outbox, type OutboxLimits } from '../../../services/hub/outbox/outbox.ts'
import type { Log } from '../../../services/lib/log.ts'
import { RateLimit } from '../../../services/lib/rate-limit.ts'
import { raw } from '../../../services/protocol/raw.ts'

/** Resolves in the next iteration of the event loop. */
export const nextTick = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

/** Creates a frame with this text as bytes. */
export const frame = (text: string, delivery: Delivery | null = null, conflate?: string): Frame => {
  return new Frame(Buffer.from(text), delivery, conflate)
}

/** Creates a log that throws every logged error, so that the error fails the test. */
export function throwingLog (): Log {
  let cause: unknown
  return {
    debug () {},
    info () {},
    warn () {},
    error: (circumstances: unknown) => { throw new Error('an error was logged', { cause: cause ??= circumstances }) }
  }
}

/** Returns the options of a hub without limits on clients and messages; `options` replace the defaults. */
export function hubOptions (engine: Engine, options: Partial<HubOptions> = {}): HubOptions {
  return {
    engine,
    log: throwingLog(),
    heartbeat: { pingPeriodMs: 1000, maxUnanswered: 1, readDeadlineMs: 0, writeDeadlineMs: 1000 },
    drain: { graceMs: 1000, batch: 10 },
    queue: { maxBytes: 1000, maxWrites: 10, policy: 'disconnect' },
    flushIntervalMs: 0,
    maxMessageBytes: 1000,
    maxClients: 0,
    maxClientsPerUser: 0,
    messagesPerSecond: 0,
    actionTimeoutMs: 0,
    resumeWindowMs: 1000,
    maxMailboxes: 0,
    maxRedeliveries: 10,
    maxAges: { inboxMs: Infinity, logMs: Infinity },
    idempotencyWindowMs: 1000,
    ...options
  }
}

/** Creates a flusher with a clock that can be set. */
export function newFlusher (flushIntervalMs = 0) {
  const clock = { now: 1000, wall: () => 0, steady: (): number => clock.now }
  return Object.assign(new Flusher(flushIntervalMs, clock, throwingLog()), { clock })
}

/** Creates a raw client of alice on a test connection; `parts` replace the defaults. */
export function newClient (connection: Peer, parts: Partial<ClientParts> = {}): Client {
  return new Client({
    id: 'c1',
    identity: { user: 'alice', roles: [] },
    protocol: raw,
    connection,
    outbox: parts.outbox ?? connection.outbox(newFlusher()),
    cursor: new Cursor({ since: 0 }),
    durableCursor: { user: 'alice', name: '', scope: 'inbox' },
    messageRate: new RateLimit(0),
    calls: [],
    catchUp: { resume () {} },
    sessions: { end () {} },
    clock: { wall: () => 0, steady: () => 0 },
    log: throwingLog(),
    ...parts
  })
}

/** A connection with the test as its peer. */
export class Peer implements Connection {
  readonly stream: PassThrough
  readonly address = 'test'
  bytesRead = 0
  isOpen = true
  isEnded = false
  isCut = false
  writes = 0
  #text = ''

  /** `highWaterMark`: bytes that fit into the socket. */
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

  /** Buffers all written bytes until `thaw`. */
  freeze (): this {
    this.stream.cork()
    return this
  }

  thaw (): void {
    this.stream.uncork()
  }

  /** Returns the text received so far. */
  read (): string {
    const next = (): Buffer | null => this.stream.read() as Buffer | null
    for (let chunk = next(); chunk !== null; chunk = next()) this.#text += chunk.toString()
    return this.#text
  }
}
