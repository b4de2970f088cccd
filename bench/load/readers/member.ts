import type { Protocol } from '../../peers.ts'
import { readNumber } from '../../rig/payloads.ts'
import { Line } from './line.ts'
import { RawReader } from './raw-reader.ts'
import type { Reader, ReaderEvents, ReaderOptions } from './reader.ts'
import { ReliableReader } from './reliable-reader.ts'
import { SseReader } from './sse-reader.ts'

/** Counts of numbered messages and of connections. */
export interface Tally {
  /** Different messages. */
  received: number
  /** Messages that the application received again. */
  duplicates: number
  /** Messages that were received again and dropped by the client library. */
  repeated: number
  cuts: number
  /** Connections that were lost and opened again, and the sum of the times in between. */
  returns: number
  awayMs: number
  startedOver: number
}

/** Events of a member. */
interface MemberEvents {
  opened (): void
  lost (): void
  /** Called when the member has received the expected number of further messages. */
  complete (): void
}

/** The kind of cut, and the time after which the reader reconnects. */
export interface Cut { pauseMs: number, silently: boolean }

/** Options of a member; only a member with a relay of its own can be cut silently. */
interface Equipment { create: (events: ReaderEvents) => Reader, line: Line | undefined }

/** One client of the audience: a reader, its received messages, and whether it should be connected. */
export class Member {
  readonly #reader: Reader
  readonly #line: Line | undefined
  readonly #events: MemberEvents
  readonly #numbers = new Set<number>()
  #tally = noTally()
  #expected = 0
  #isOpen = false
  /** Time of the loss of the connection; 0 before the first connection. */
  #lostAt = 0
  #isAway = false
  /** Delay before a reader reconnects after the loss of its connection. */
  #pauseMs = 0

  constructor ({ create, line }: Equipment, events: MemberEvents) {
    this.#line = line
    this.#events = events
    this.#reader = create({
      opened: () => this.#opened(),
      message: (text) => this.#note(readNumber(text)),
      repeated: () => { this.#tally.repeated++ },
      lost: () => this.#lost(),
      startedOver: () => { this.#tally.startedOver++ }
    })
  }

  /** Connects, and reconnects whenever the connection is lost. */
  come (): void {
    this.#isAway = false
    this.#reader.connect()
  }

  /** Cuts the connection and does not reconnect. */
  leave (): void {
    this.#isAway = true
    this.#reader.cut()
  }

  /** Cuts the current connection, if there is one; `silently`: without the server noticing. */
  cut ({ pauseMs, silently }: Cut): void {
    if (!this.#isOpen) return
    this.#tally.cuts++
    this.#pauseMs = pauseMs
    if (silently) this.#line?.goDead()
    else this.#reader.cut()
  }

  expect (count: number): void {
    this.#expected = count
  }

  /** Returns the counts since the last call. */
  takeTally (): Tally {
    const tally = this.#tally
    this.#tally = noTally()
    return tally
  }

  #opened (): void {
    this.#isOpen = true
    if (this.#lostAt > 0) {
      this.#tally.returns++
      this.#tally.awayMs += performance.now() - this.#lostAt
    }
    this.#events.opened()
  }

  #note (number: number): void {
    if (this.#numbers.has(number)) {
      this.#tally.duplicates++
      return
    }
    this.#numbers.add(number)
    this.#tally.received++
    if (--this.#expected === 0) this.#events.complete()
  }

  #lost (): void {
    if (this.#isOpen) {
      this.#isOpen = false
      this.#lostAt = performance.now()
      this.#events.lost()
    }
    if (!this.#isAway) setTimeout(() => { if (!this.#isAway) this.#reader.connect() }, this.#pauseMs)
  }
}

/** Loads the reader class of a protocol. */
export async function readersOf (protocol: Protocol): Promise<(options: ReaderOptions, events: ReaderEvents) => Reader> {
  switch (protocol) {
    case 'raw': return (options, events) => new RawReader(options, events)
    case 'reliable': return (options, events) => new ReliableReader(options, events)
    case 'sse': return (options, events) => new SseReader(options, events)
    case 'socket.io': {
      const { SocketIoReader } = await import('./socket-io-reader.ts')
      return (options, events) => new SocketIoReader(options, events)
    }
    case 'websocket':
    case 'http': throw new Error(`There are no readers for ${protocol}.`)
  }
}

export function noTally (): Tally {
  return { received: 0, duplicates: 0, repeated: 0, cuts: 0, returns: 0, awayMs: 0, startedOver: 0 }
}
