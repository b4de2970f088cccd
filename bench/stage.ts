import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from './child.ts'
import { cpuMs, busyMs } from './cpu.ts'
import type { Progress, Task } from './load/main.ts'
import type { Peer } from './peers.ts'
import type { Answer, Order } from './servers/serve.ts'

const CONCURRENCY = 50
const SETTLE_MS = 100

/** The text that is broadcast: 128 bytes, so that the frame needs the longer form of its length. */
export const payload = 'x'.repeat(128)

/** CPU time of both processes and of all others, and the time on the clock, in milliseconds. */
export interface Reading { serverMs: number, loadMs: number, othersMs: number, wallMs: number }

/** The sum of several readings. */
export function total (readings: Reading[]): Reading {
  const sum = (key: keyof Reading): number => readings.reduce((all, reading) => all + reading[key], 0)
  return { serverMs: sum('serverMs'), loadMs: sum('loadMs'), othersMs: sum('othersMs'), wallMs: sum('wallMs') }
}

/** A server and the load, both started for one measurement. */
export class Stage {
  readonly peer: Peer
  readonly #server: Child<Order, Answer>
  readonly #load: Child<Task, Progress>
  #port = 0
  #clients = 0

  constructor (peer: Peer) {
    this.peer = peer
    this.#server = new Child(peer.file)
    this.#load = new Child('load/main.ts')
  }

  async start (): Promise<void> {
    const [{ port }] = await Promise.all([this.#server.next('ready'), this.#load.next('loaded')])
    this.#port = port
  }

  /** Opens this many further connections and waits until the server has nothing more to do for them. */
  async connect (count: number): Promise<void> {
    const paths = Array.from({ length: count }, (_, i) => this.peer.path(this.#clients + i))
    this.#clients += count
    this.#load.send({ open: { port: this.#port, protocol: this.peer.protocol, minBytes: payload.length, paths, concurrency: CONCURRENCY } })
    await this.#load.next('opened')
    await sleep(SETTLE_MS)
  }

  /** Makes the load say after every `count` messages whether all clients have them. */
  expect (count: number): void {
    this.#load.send({ expect: count })
  }

  /** Has `count` messages broadcast in one tick; resolves when every client has all of them. */
  async broadcast (count: number): Promise<void> {
    this.#server.send({ broadcast: { count, payload } })
    await this.#load.next('all')
  }

  /** Resident memory of the server after a garbage collection, in bytes. */
  async residentBytes (): Promise<number> {
    this.#server.send({ stats: true })
    const { rss } = await this.#server.next('rss')
    return rss
  }

  read (): Reading {
    const serverMs = cpuMs(this.#server.pid)
    const loadMs = cpuMs(this.#load.pid)
    return { serverMs, loadMs, othersMs: busyMs() - serverMs - loadMs, wallMs: performance.now() }
  }

  since (before: Reading): Reading {
    const now = this.read()
    return {
      serverMs: now.serverMs - before.serverMs,
      loadMs: now.loadMs - before.loadMs,
      othersMs: now.othersMs - before.othersMs,
      wallMs: now.wallMs - before.wallMs
    }
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
