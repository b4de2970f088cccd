import type { Peer } from '../peers.ts'
import { Child } from './child.ts'
import { difference, readClocks, type Reading } from './clocks/reading.ts'
import { Server } from './server.ts'

/** Orders to every load: report when each client has `expect` further messages; end all connections. */
export type CommonTask = { expect: number } | { leave: true }

/** Messages from every load. */
export type CommonProgress = { loaded: true } | { opened: number } | { expecting: number } | { left: number } | { failed: string }

/** A server and the load, which is the process that holds its clients, both started for one measurement. */
export class Rig<Task extends object, Progress extends object> {
  readonly server: Server
  protected readonly load: Child<Task | CommonTask, Progress | CommonProgress>

  /** `loadName` is used in error messages; the file is below bench/. */
  constructor (peer: Peer, loadName: string, loadFile: string) {
    this.server = new Server(peer)
    this.load = new Child(`${loadName} of ${peer.name}`, loadFile)
  }

  get peer (): Peer {
    return this.server.peer
  }

  async start (): Promise<void> {
    await Promise.all([this.server.start(), this.load.next('loaded')])
  }

  /** Makes the load report when every client has `count` further messages. */
  async expect (count: number): Promise<void> {
    this.load.send({ expect: count })
    // The order to broadcast uses another channel, so the server could be faster than the load.
    await this.load.next('expecting')
  }

  /** Ends all connections; resolves when they are closed. */
  async leave (): Promise<void> {
    this.load.send({ leave: true })
    await this.load.next('left')
  }

  read (): Reading {
    return readClocks(this.server.pid, this.load.pid)
  }

  since (before: Reading): Reading {
    return difference(before, this.read())
  }

  async stop (): Promise<void> {
    await this.load.stop()
    await this.server.stop()
  }
}
