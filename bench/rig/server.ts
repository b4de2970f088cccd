import type { Peer } from '../peers.ts'
import type { Appended, Appending } from '../servers/appending.ts'
import type { Memory } from '../servers/memory.ts'
import type { Shares } from '../servers/profiler.ts'
import type { Answer, Order } from '../servers/serve.ts'
import { Child } from './child.ts'
import { plainText } from './payloads.ts'
import { removeFolder, temporaryFolder } from './setup/temporary.ts'

/** A server under test: a process that runs in an empty folder of its own. */
export class Server {
  readonly peer: Peer
  readonly #child: Child<Order, Answer>
  readonly #folder = temporaryFolder()
  #port = 0

  constructor (peer: Peer) {
    this.peer = peer
    this.#child = new Child(`The server of ${peer.name}`, peer.file, { options: peer.options, folder: this.#folder })
  }

  get pid (): number {
    return this.#child.pid
  }

  get port (): number {
    return this.#port
  }

  async start (): Promise<void> {
    this.#port = (await this.#child.next('ready')).port
    this.setText(plainText())
  }

  /** Sets the text of the next broadcasts; the default has 128 bytes. */
  setText (text: string): void {
    this.#child.send({ text })
  }

  /**
   * Makes the server broadcast `count` times in one tick; `stamped`: with the time in place of the first characters.
   */
  broadcast (count: number, stamped = false): void {
    this.#child.send({ broadcast: count, stamped })
  }

  /**
   * Makes the server publish to an offline user again and again; resolves with the number of receipts and their times.
   */
  async append (appending: Appending): Promise<Appended> {
    this.#child.send({ append: appending })
    return (await this.#child.next('appended')).appended
  }

  /** Resolves with the memory of the server after a garbage collection. */
  async memory (): Promise<Memory> {
    this.#child.send({ stats: true })
    return this.#child.next('rss')
  }

  /** Resolves with the CPU time by owner while the server works. */
  async profile (work: () => Promise<void>): Promise<Shares> {
    this.#child.send({ profile: 'start' })
    await this.#child.next('profiling')
    await work()
    this.#child.send({ profile: 'stop' })
    return (await this.#child.next('shares')).shares
  }

  async stop (): Promise<void> {
    await this.#child.stop()
    removeFolder(this.#folder)
  }
}
