import type { Protocol } from '../../peers.ts'
import { readNumber } from '../../rig/payloads.ts'
import { Line } from './line.ts'
import { RawReader } from './raw-reader.ts'
import type { Reader, ReaderEvents, ReaderOptions } from './reader.ts'
import { ReliableReader } from './reliable-reader.ts'
import { SseReader } from './sse-reader.ts'

/** What became of numbered messages, and of connections. */
export interface Tally {
  /** Different messages. */
  received: number
  /** Messages that the application got again. */
  duplicates: number
  /** Messages that came again and were dropped by the client library. */
  repeated: number
  cuts: number
  /** Connections that were lost and made again, and how long all that took together. */
  returns: number
  awayMs: number
  startedOver: number
}

/** What members tell. */
interface MemberEvents {
  opened (): void
  lost (): void
  /** It has as many further messages as it was expected to get. */
  complete (): void
}

/** How a connection is cut, and after which time its reader comes again. */
export interface Cut { pauseMs: number, silently: boolean }

/** What a member connects with; only with a line of its own can it be cut silently. */
interface Equipment { create: (events: ReaderEvents) => Reader, line: Line | undefined }

/** One of the audience: a reader, what it has got, and whether it is to be connected. */
export class Member {
  readonly #reader: Reader
  readonly #line: Line | undefined
  readonly #events: MemberEvents
  readonly #numbers = new Set<number>()
  #tally = noTally()
  #expected = 0
  #isOpen = false
  /** Since when it has no connection; 0 before the first. */
  #lostAt = 0
  #isAway = false
  /** A reader that has lost its connection comes again after this time. */
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

  /** Connects, and from then on again whenever the connection is lost. */
  come (): void {
    this.#isAway = false
    this.#reader.connect()
  }

  /** Cuts the connection, and stays away. */
  leave (): void {
    this.#isAway = true
    this.#reader.cut()
  }

  /** Cuts the connection, if there is one just now; `silently`: without the server noticing. */
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

  /** What happened since the last time. */
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

/** Loads what readers of a protocol need. */
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
