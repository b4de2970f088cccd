import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from './child.ts'
import type { Latencies } from './load/latencies.ts'
import type { Opening, Progress, Task } from './load/main.ts'
import type { Posting } from './load/requests.ts'
import { plainText } from './payloads.ts'
import type { Peer } from './peers.ts'
import { difference, readClocks, type Reading } from './reading.ts'
import { running } from './running.ts'
import { Server } from './server.ts'
import { nowUs } from './stamp.ts'

const CONCURRENCY = 50
const SETTLE_MS = 100

/** How connections differ from those of most scenarios. */
export type Connecting = Partial<Pick<Opening, 'concurrency' | 'isFrozen' | 'isStamped' | 'offersDeflate'>>

/** A server and the load, both started for one measurement. */
export class Stage {
  readonly server: Server
  readonly #load: Child<Task, Progress>
  #clients = 0

  constructor (peer: Peer) {
    this.server = new Server(peer)
    this.#load = new Child(`The load of ${peer.name}`, 'load/main.ts')
  }

  get peer (): Peer {
    return this.server.peer
  }

  async start (): Promise<void> {
    await Promise.all([this.server.start(), this.#load.next('loaded')])
  }

  /** Opens this many further connections; answers how long that took, in ms, when the server has nothing more to do for them. */
  async connect (count: number, connecting: Connecting = {}): Promise<number> {
    const before = performance.now()
    this.#open(count, connecting)
    await this.#load.next('opened')
    const tookMs = performance.now() - before
    await sleep(SETTLE_MS)
    return tookMs
  }

  /** Makes the load say after every `count` messages when all clients have them. */
  async expect (count: number): Promise<void> {
    this.#load.send({ expect: count })
    // The server hears of a broadcast on another channel, and could be faster.
    await this.#load.next('expecting')
  }

  /** Has `count` messages broadcast in one tick; when every client has all of them, answers how many bytes came in. */
  async broadcast (count: number): Promise<number> {
    this.server.broadcast(count)
    return (await this.#load.next('all')).bytes
  }

  /** Has `count` messages broadcast at this pace, however long each takes; answers how late they arrived. */
  async pace (count: number, everyMs: number): Promise<Latencies> {
    await this.expect(count)
    const start = performance.now()
    for (let i = 0; i < count; i++) {
      await sleep(Math.max(0, start + i * everyMs - performance.now()))
      this.server.broadcast(1, true)
    }
    await this.#load.next('all')
    this.#load.send({ latencies: true })
    return (await this.#load.next('latencies')).latencies
  }

  /** Sends requests for a while; answers how many were answered. */
  async post (posting: Omit<Posting, 'port'>): Promise<number> {
    this.#load.send({ post: { ...posting, port: this.server.port } })
    return (await this.#load.next('posted')).posted
  }

  /**
   * Has the next client connect and read so many messages that wait for its user, and go; answers how long it took until
   * it had the last one, in ms.
   */
  async drain (count: number): Promise<number> {
    await this.expect(count)
    const startUs = nowUs()
    this.#open(1)
    const { atUs } = await this.#load.next('all')
    await this.#load.next('opened')
    this.#load.send({ leave: true })
    await this.#load.next('left')
    return (atUs - startUs) / 1000
  }

  read (): Reading {
    return readClocks(this.server.pid, this.#load.pid)
  }

  since (before: Reading): Reading {
    return difference(before, this.read())
  }

  async stop (): Promise<void> {
    await this.#load.stop()
    await this.server.stop()
  }

  #open (count: number, connecting: Connecting = {}): void {
    const paths = Array.from({ length: count }, (_, i) => this.peer.path(this.#clients + i))
    this.#clients += count
    const usual = { concurrency: CONCURRENCY, isFrozen: false, isStamped: false, offersDeflate: false }
    this.#load.send({ open: { port: this.server.port, protocol: this.peer.protocol, minBytes: plainText().length, paths, ...usual, ...connecting } })
  }
}

/** Starts a fresh server and a fresh load for each peer, measures, and ends them all whatever happens. */
export function onStages<T> (peers: Peer[], measure: (stages: Stage[]) => Promise<T>): Promise<T> {
  return running(peers.map((peer) => new Stage(peer)), measure)
}

/** The same for one server alone. */
export function onStage<T> (peer: Peer, measure: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = new Stage(peer)
  return running([stage], () => measure(stage))
}
