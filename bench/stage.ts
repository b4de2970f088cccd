import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from './child.ts'
import { busyMs, cpuMs } from './cpu.ts'
import type { Latencies } from './load/latencies.ts'
import type { Opening, Progress, Task } from './load/main.ts'
import type { Posting } from './load/requests.ts'
import { plainText } from './payloads.ts'
import type { Peer } from './peers.ts'
import { difference, type Reading } from './reading.ts'
import type { Shares } from './servers/profiler.ts'
import type { Answer, Order } from './servers/serve.ts'

const CONCURRENCY = 50
const SETTLE_MS = 100

/** How connections differ from those of most scenarios. */
export type Connecting = Partial<Pick<Opening, 'concurrency' | 'isFrozen' | 'isStamped' | 'offersDeflate'>>

/** A server and the load, both started for one measurement. */
export class Stage {
  readonly peer: Peer
  readonly #server: Child<Order, Answer>
  readonly #load: Child<Task, Progress>
  #port = 0
  #clients = 0

  constructor (peer: Peer) {
    this.peer = peer
    this.#server = new Child(`The server of ${peer.name}`, peer.file, peer.options)
    this.#load = new Child(`The load of ${peer.name}`, 'load/main.ts')
  }

  async start (): Promise<void> {
    const [{ port }] = await Promise.all([this.#server.next('ready'), this.#load.next('loaded')])
    this.#port = port
    this.say(plainText())
  }

  /** Opens this many further connections; answers how long that took, in ms, when the server has nothing more to do for them. */
  async connect (count: number, connecting: Connecting = {}): Promise<number> {
    const paths = Array.from({ length: count }, (_, i) => this.peer.path(this.#clients + i))
    this.#clients += count
    const usual = { concurrency: CONCURRENCY, isFrozen: false, isStamped: false, offersDeflate: false }
    const before = performance.now()
    this.#load.send({ open: { port: this.#port, protocol: this.peer.protocol, minBytes: plainText().length, paths, ...usual, ...connecting } })
    await this.#load.next('opened')
    const tookMs = performance.now() - before
    await sleep(SETTLE_MS)
    return tookMs
  }

  /** What is broadcast from now on; without it, 128 bytes. */
  say (text: string): void {
    this.#server.send({ say: text })
  }

  /** Makes the load say after every `count` messages when all clients have them. */
  async expect (count: number): Promise<void> {
    this.#load.send({ expect: count })
    // The server hears of a broadcast on another channel, and could be faster.
    await this.#load.next('expecting')
  }

  /** Has `count` messages broadcast in one tick; when every client has all of them, answers how many bytes came in. */
  async broadcast (count: number): Promise<number> {
    this.#server.send({ broadcast: count, stamped: false })
    return (await this.#load.next('all')).bytes
  }

  /** Has `count` messages broadcast at this pace, however long each takes; answers how late they arrived. */
  async pace (count: number, everyMs: number): Promise<Latencies> {
    await this.expect(count)
    const start = performance.now()
    for (let i = 0; i < count; i++) {
      await sleep(Math.max(0, start + i * everyMs - performance.now()))
      this.#server.send({ broadcast: 1, stamped: true })
    }
    await this.#load.next('all')
    this.#load.send({ latencies: true })
    return (await this.#load.next('latencies')).latencies
  }

  /** Sends requests for a while; answers how many were answered. */
  async post (posting: Omit<Posting, 'port'>): Promise<number> {
    this.#load.send({ post: { ...posting, port: this.#port } })
    return (await this.#load.next('posted')).posted
  }

  /** Resident memory of the server after a garbage collection, in bytes. */
  async residentBytes (): Promise<number> {
    this.#server.send({ stats: true })
    return (await this.#server.next('rss')).rss
  }

  /** Where the server spends its time while it works. */
  async profile (work: () => Promise<void>): Promise<Shares> {
    this.#server.send({ profile: 'start' })
    await this.#server.next('profiling')
    await work()
    this.#server.send({ profile: 'stop' })
    return (await this.#server.next('shares')).shares
  }

  read (): Reading {
    const serverMs = cpuMs(this.#server.pid)
    const loadMs = cpuMs(this.#load.pid)
    return { serverMs, loadMs, othersMs: busyMs() - serverMs - loadMs, wallMs: performance.now() }
  }

  since (before: Reading): Reading {
    return difference(before, this.read())
  }

  async stop (): Promise<void> {
    await this.#load.stop()
    await this.#server.stop()
  }
}

/** Starts a fresh server and a fresh load for each peer, measures, and ends them all whatever happens. */
export async function onStages<T> (peers: Peer[], measure: (stages: Stage[]) => Promise<T>): Promise<T> {
  const stages = peers.map((peer) => new Stage(peer))
  try {
    await Promise.all(stages.map((stage) => stage.start()))
    return await measure(stages)
  } finally {
    await Promise.all(stages.map((stage) => stage.stop()))
  }
}

/** The same for one server alone. */
export async function onStage<T> (peer: Peer, measure: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = new Stage(peer)
  try {
    await stage.start()
    return await measure(stage)
  } finally {
    await stage.stop()
  }
}
