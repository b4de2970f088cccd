import { setTimeout as sleep } from 'node:timers/promises'
import type { Latencies } from '../load/latencies.ts'
import type { Opening, Progress, Task } from '../load/main.ts'
import type { Posting } from '../load/requests.ts'
import type { Peer } from '../peers.ts'
import { nowUs } from './clocks/stamp.ts'
import { pace } from './pace.ts'
import { plainText } from './payloads.ts'
import { Rig } from './rig.ts'
import { running } from './running.ts'

const CONCURRENCY = 50
const SETTLE_MS = 100

/** Options of connections that differ from the default. */
type Connecting = Partial<Pick<Opening, 'concurrency' | 'isFrozen' | 'isStamped' | 'offersDeflate'>>

/** A server, and clients that count the broadcasts that they receive. */
export class Stage extends Rig<Task, Progress> {
  #clients = 0

  constructor (peer: Peer) {
    super(peer, 'The load', 'load/main.ts')
  }

  /** Opens further connections; resolves with the duration in ms after the server has settled. */
  async connect (count: number, connecting: Connecting = {}): Promise<number> {
    const before = performance.now()
    this.#open(count, connecting)
    await this.load.next('opened')
    const tookMs = performance.now() - before
    await sleep(SETTLE_MS)
    return tookMs
  }

  /**
   * Broadcasts `count` messages in one tick; resolves with the number of received bytes when every client has all
   * messages.
   */
  async broadcast (count: number): Promise<number> {
    this.server.broadcast(count)
    return (await this.load.next('all')).bytes
  }

  /** Broadcasts `count` messages at a fixed pace; resolves with their latencies. */
  async pace (count: number, everyMs: number): Promise<Latencies> {
    await this.expect(count)
    await pace(count, everyMs, () => this.server.broadcast(1, true))
    await this.load.next('all')
    this.load.send({ latencies: true })
    return (await this.load.next('latencies')).latencies
  }

  /** Sends requests for a while; resolves with the number of responses. */
  async post (posting: Omit<Posting, 'port'>): Promise<number> {
    this.load.send({ post: { ...posting, port: this.server.port } })
    return (await this.load.next('posted')).posted
  }

  /**
   * Connects the next client, which reads `count` unread messages of its user and disconnects; resolves with the time
   * until it had the last message, in ms.
   */
  async drain (count: number): Promise<number> {
    await this.expect(count)
    const startUs = nowUs()
    this.#open(1)
    const { atUs } = await this.load.next('all')
    await this.load.next('opened')
    await this.leave()
    return (atUs - startUs) / 1000
  }

  #open (count: number, connecting: Connecting = {}): void {
    const paths = Array.from({ length: count }, (_, i) => this.peer.path(this.#clients + i))
    this.#clients += count
    const usual = { concurrency: CONCURRENCY, isFrozen: false, isStamped: false, offersDeflate: false }
    this.load.send({ open: { port: this.server.port, protocol: this.peer.protocol, minBytes: plainText().length, paths, ...usual, ...connecting } })
  }
}

/** Starts a fresh server and a fresh load for each peer, measures, and ends them, also after an error. */
export function onStages<T> (peers: Peer[], measure: (stages: Stage[]) => Promise<T>): Promise<T> {
  return running(peers.map((peer) => new Stage(peer)), measure)
}

/** Does the same for one server alone. */
export function onStage<T> (peer: Peer, measure: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = new Stage(peer)
  return running([stage], () => measure(stage))
}
