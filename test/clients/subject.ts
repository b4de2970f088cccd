import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Link } from '../durability/link.ts'
import { token } from '../support/helper.ts'
import { PROGRAMS_MS, until } from '../support/until.ts'
import type { Line } from './adapters/output.ts'
import type { ForeignClient } from './clients.ts'
import type { Installed } from './install.ts'

/** Events that are no messages: those of the hub, and those of an adapter. */
const NOTICES: readonly string[] = ['position', 'goodbye', 'joined']
/** Time for an adapter to end after SIGTERM. */
const END_MS = 5000
/** The kinds of messages that a client without a session receives only while it is connected. */
const LOST_WHILE_AWAY = /^(all|group) /

/** A client under test: the process of its adapter, and the messages that it receives and has to receive. */
export class Subject {
  readonly client: ForeignClient
  readonly link: Link
  readonly user: string
  /** Result of each job: `ok`, or the faults. */
  readonly results = new Map<string, string>()
  readonly #program: Exclude<Installed, string>
  readonly #lines: Line[] = []
  readonly #errors: string[] = []
  #expected: string[] = []
  /** All messages that this client may have received. */
  readonly #known = new Set<string>()
  /** Messages that an inbox may deliver again. */
  readonly #seen = new Set<string>()
  #checked = 0
  #child: ChildProcess | null = null

  constructor (client: ForeignClient, program: Exclude<Installed, string>, link: Link, user: string) {
    this.client = client
    this.#program = program
    this.link = link
    this.user = user
  }

  /** The group of this client alone. */
  get ownGroup (): string {
    return `own-${this.user}`
  }

  /** Starts the adapter, and resolves when its client is connected. */
  async start (): Promise<void> {
    const { command, args } = this.#program
    const bearer = token({ user: this.user, roles: ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup'] })
    const all = [...args, `http://127.0.0.1:${this.link.port}`, bearer, this.ownGroup, ...this.client.options ?? []]
    const child = spawn(command, all, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    createInterface({ input: child.stdout }).on('line', (line) => { this.#lines.push(JSON.parse(line) as Line) })
    // Libraries log lost connections. The last lines explain an adapter that has ended.
    createInterface({ input: child.stderr }).on('line', (line) => { this.#errors.splice(0, this.#errors.length - 4, line) })
    const { event, data = '' } = this.client.ready
    const isReady = (line: Line): boolean => line.event === event && line.data.startsWith(data)
    await until(() => this.#lines.some(isReady) || this.#hasEnded, `${this.client.name} is connected`, PROGRAMS_MS)
    if (this.#hasEnded) throw new Error(`the adapter has ended: ${this.#errors.join(' | ')}`)
  }

  /** Ends the adapter, with what belongs to it. */
  async stop (): Promise<void> {
    const child = this.#child
    if (child === null || this.#hasEnded) return
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), END_MS)
    await closed
    clearTimeout(late)
  }

  /** Adds messages that this client has to receive. */
  expect (...texts: readonly string[]): void {
    this.#expected.push(...texts)
    for (const text of texts) this.#known.add(text)
  }

  /** Whether all expected messages have arrived, or more. */
  get isComplete (): boolean {
    const received = new Set(this.#unchecked.map(({ data }) => data))
    return this.#promised.every((text) => received.has(text))
  }

  /** Whether a service that drains has refused this client of event streams. */
  get isRefused (): boolean {
    return this.#lines.some(({ event, data }) => event === 'goodbye' && data === 'HUB_DRAINING')
  }

  /**
   * Compares the messages that were received since the last check with the expected ones, and stores the result of a
   * job.
   */
  check (job: string): void {
    const unchecked = this.#unchecked
    this.#checked = this.#lines.length
    const [received, expected] = [this.#received(unchecked), this.#promised]
    this.#expected = []
    for (const text of received) this.#seen.add(text)
    const faults = []
    if (this.#hasEnded) faults.push(`the adapter has ended: ${this.#errors.join(' | ')}`)
    const empty = unchecked.filter(({ data }) => data === '').map(({ event }) => `"${event}"`)
    if (empty.length > 0) faults.push(`received empty messages: ${empty.join(', ')}`)
    const missing = expected.filter((text) => !received.includes(text))
    if (missing.length > 0) faults.push(`missed ${quoted(missing)}`)
    const strange = received.filter((text) => !this.#known.has(text))
    if (strange.length > 0) faults.push(`received ${quoted(strange)}, which nobody sent to it`)
    const repeated = received.filter((text, at) => received.indexOf(text) !== at)
    if (repeated.length > 0) faults.push(`received again ${quoted(repeated)}`)
    const common = received.filter((text) => expected.includes(text))
    const inOrder = expected.filter((text) => received.includes(text))
    if (repeated.length === 0 && common.join('\n') !== inOrder.join('\n')) {
      faults.push(`received in another order: ${quoted(received)}`)
    }
    this.results.set(job, faults.length === 0 ? 'ok' : faults.join('; '))
  }

  /** Records why the adapter could not be started for a job. */
  fail (job: string, reason: string): void {
    this.results.set(job, reason)
    this.#expected = []
  }

  /** The expected messages that the hub promises to this client. */
  get #promised (): string[] {
    if (this.client.resumes !== 'inbox only') return this.#expected
    return this.#expected.filter((text) => !LOST_WHILE_AWAY.test(text))
  }

  /** The texts of the received messages. An inbox may deliver a message again whose acknowledgement was lost. */
  #received (lines: readonly Line[]): string[] {
    const ordered = this.client.isUnordered === true ? lines.toSorted((a, b) => Number(a.id) - Number(b.id)) : lines
    const texts = ordered.map(({ event, data }) => event === '' ? data : `${event} ${data}`)
    return this.client.resumes === 'inbox only' ? [...new Set(texts)].filter((text) => !this.#seen.has(text)) : texts
  }

  get #unchecked (): Line[] {
    const { event, data = '' } = this.client.ready
    return this.#lines.slice(this.#checked).filter((line) => {
      return !NOTICES.includes(line.event) && !(data !== '' && line.event === event && line.data.startsWith(data))
    })
  }

  get #hasEnded (): boolean {
    return this.#child !== null && (this.#child.exitCode !== null || this.#child.signalCode !== null)
  }
}

/** Texts for a report, shortened. */
function quoted (texts: readonly string[]): string {
  return texts.map((text) => JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)).join(', ')
}
