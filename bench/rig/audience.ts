import type { Progress, Task } from '../load/readers/main.ts'
import type { Cut, Tally } from '../load/readers/member.ts'
import type { Peer } from '../peers.ts'
import { nowUs } from './clocks/stamp.ts'
import { numbered } from './payloads.ts'
import { Rig } from './rig.ts'

/** A server, and clients that are cut off and go on where they were. What is said to them is numbered. */
export class Audience extends Rig<Task, Progress> {
  #said = 0

  constructor (peer: Peer) {
    super(peer, 'The audience', 'load/readers/main.ts')
  }

  /** Gathers so many clients, who all get one message: from then on they can say where they are. `withLines`: they can be cut silently. */
  async gather (count: number, withLines = false): Promise<void> {
    const paths = Array.from({ length: count }, (_, i) => this.peer.path(i))
    this.load.send({ open: { port: this.server.port, protocol: this.peer.protocol, paths, withLines } })
    await this.load.next('opened')
    await this.expect(1)
    this.say(1)
    await this.load.next('complete')
    await this.tally()
  }

  /** Says the next so many numbers. */
  say (count: number): void {
    for (let i = 0; i < count; i++) {
      this.server.say(numbered(this.#said++))
      this.server.broadcast(1)
    }
  }

  /** Has all come back at once; answers how long it took until the last one had the messages that were said meanwhile, in ms. */
  async comeBack (missed: number): Promise<number> {
    await this.expect(missed)
    const startUs = nowUs()
    this.load.send({ comeBack: true })
    const { atUs } = await this.load.next('complete')
    await this.load.next('opened')
    return (atUs - startUs) / 1000
  }

  /** From now on everyone is cut off once in this time, one after another, and comes back. */
  cutEvery (everyMs: number, cut: Cut): void {
    this.load.send({ cutEveryMs: everyMs, cut })
  }

  /** Nobody is cut off any more. */
  leaveAlone (): void {
    this.cutEvery(0, { pauseMs: 0, silently: false })
  }

  /** What has happened to all of them since the last time. */
  async tally (): Promise<Tally> {
    this.load.send({ tally: true })
    return (await this.load.next('tally')).tally
  }
}
