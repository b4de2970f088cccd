import type { Progress, Task } from '../load/readers/main.ts'
import type { Cut, Tally } from '../load/readers/member.ts'
import type { Peer } from '../peers.ts'
import { nowUs } from './clocks/stamp.ts'
import { numbered } from './payloads.ts'
import { Rig } from './rig.ts'

/** A server, and clients that lose their connections and resume. Messages to them are numbered. */
export class Audience extends Rig<Task, Progress> {
  #published = 0

  constructor (peer: Peer) {
    super(peer, 'The audience', 'load/readers/main.ts')
  }

  /**
   * Connects the clients and sends one message to all, which gives each client a position. `withLines`: connections can
   * be cut silently.
   */
  async gather (count: number, withLines = false): Promise<void> {
    const paths = Array.from({ length: count }, (_, i) => this.peer.path(i))
    this.load.send({ open: { port: this.server.port, protocol: this.peer.protocol, paths, withLines } })
    await this.load.next('opened')
    await this.expect(1)
    this.publish(1)
    await this.load.next('complete')
    await this.tally()
  }

  /** Publishes the next numbers. */
  publish (count: number): void {
    for (let i = 0; i < count; i++) {
      this.server.setText(numbered(this.#published++))
      this.server.broadcast(1)
    }
  }

  /** Reconnects all clients at once; resolves with the time until the last client has all missed messages, in ms. */
  async comeBack (missed: number): Promise<number> {
    await this.expect(missed)
    const startUs = nowUs()
    this.load.send({ comeBack: true })
    const { atUs } = await this.load.next('complete')
    await this.load.next('opened')
    return (atUs - startUs) / 1000
  }

  /** Starts to cut each connection once per period, one after another; the clients reconnect. */
  cutEvery (everyMs: number, cut: Cut): void {
    this.load.send({ cutEveryMs: everyMs, cut })
  }

  /** Stops cutting connections. */
  leaveAlone (): void {
    this.cutEvery(0, { pauseMs: 0, silently: false })
  }

  /** Resolves with the counts of all clients since the last call. */
  async tally (): Promise<Tally> {
    this.load.send({ tally: true })
    return (await this.load.next('tally')).tally
  }
}
