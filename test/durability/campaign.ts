import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { AddressKey } from '../../services/model/message.ts'
import { Random } from '../support/random.ts'
import { Chaos } from './chaos.ts'
import {
  AUDITOR, BULK, createClients, FLEETING, NEWS, startAuditor, USERS, type CampaignClient, type RunOptions
} from './clients.ts'
import type { HubProcess } from './hub-process.ts'
import { Journal, type PublishedMessage } from './journal.ts'
import { Publisher, type Backend } from './publisher.ts'
import { ReliableSubject } from './reliable-subject.ts'
import { CrashTrigger } from './crash-trigger.ts'
import { checkRound } from './check.ts'
import { Recorder } from './recorder.ts'

/** Timeout for all clients to settle, once the network is restored and the hub runs. */
const SETTLE_MS = 60_000
/** A session may be unknown to the next hub when the hub is killed within this time after the greeting. */
const UNSTORED_MS = 1000

const ADDRESSES: readonly [AddressKey, ...AddressKey[]] = ['all', ...USERS, `group:${NEWS}`, `group:${FLEETING}`]
const [FIRST_USER = 'user:', ...OTHER_USERS] = USERS
const small = (random: Random): number => random.between(40, random.pick(60, 200, 800))
const BACKENDS: readonly Backend[] = [
  { addresses: ['all'], bytes: small, pauseMs: [0, 30] },
  { addresses: [FIRST_USER, ...OTHER_USERS], bytes: small, pauseMs: [0, 15] },
  { addresses: [`group:${NEWS}`, `group:${FLEETING}`], bytes: small, pauseMs: [0, 30] },
  { addresses: ADDRESSES, bytes: (random) => random.between(100, 9000), pauseMs: [5, 60] },
  { addresses: ADDRESSES, bytes: small, pauseMs: [0, 200], burst: 20 },
  // A burst exceeds the kernel buffers of a client that does not read, about 4 MB.
  { addresses: [`group:${BULK}`], bytes: (random) => random.between(20_000, 30_000), pauseMs: [1000, 3000], burst: 250 }
]

/** A hub, clients, backends and chaos. Each round disturbs, settles and checks. */
export class Campaign {
  readonly faults: string[] = []
  readonly totals = {
    rounds: 0,
    repeated: 0,
    crashDuplicates: 0,
    replayed: 0,
    behind: 0,
    received: {} as Record<string, number>
  }
  readonly hub: HubProcess
  readonly clients: readonly CampaignClient[]
  readonly publisher: Publisher
  readonly chaos: Chaos
  readonly #t: Test
  readonly #options: RunOptions
  readonly #journal: Journal
  readonly #auditor: Recorder

  private constructor (t: Test, options: RunOptions, clients: readonly CampaignClient[]) {
    this.#t = t
    this.#options = options
    this.#journal = options.journal
    this.hub = options.hub
    this.clients = clients
    this.publisher = new Publisher(options)
    this.chaos = new Chaos({ ...options, clients })
    const addresses: AddressKey[] = ['all', `group:${NEWS}`, `group:${BULK}`, `group:${FLEETING}`]
    this.#auditor = new Recorder({ name: AUDITOR, journal: this.#journal, addresses, readsLog: true })
  }

  /** Creates a campaign for a running hub. */
  static async prepare (t: Test, hub: HubProcess, seed: number): Promise<Campaign> {
    const options = { hub, seed, journal: new Journal(), crashTrigger: new CrashTrigger() }
    return new Campaign(t, options, await createClients(t, options))
  }

  /** Connects all clients; resolves when all have settled. */
  async connectAll (): Promise<void> {
    for (const { subject } of this.clients) subject.start()
    await this.#settle('all clients to connect')
  }

  /** Runs one round, and adds faults to those of earlier rounds. */
  async round (ms: number): Promise<void> {
    const round = this.totals.rounds++
    const after = (await this.publisher.publish('all')).acknowledged?.offset ?? 0
    this.#auditor.beginSegment()
    this.#auditor.subscribed(...this.#auditor.addresses)
    const over = new AbortController()
    const backends = BACKENDS.map((backend, n) => {
      return this.publisher.runBackend(new Random(this.#options.seed + round * 100 + n), backend, over.signal)
    })
    const counting = this.#countBehind(over.signal)
    await this.chaos.run(ms)
    over.abort()
    await Promise.all([...backends, counting])

    await this.#settle('all clients to reconnect')
    const auditor = await startAuditor(this.#t, this.#options, this.#auditor, after)
    // A second last message reveals repetitions after the first one.
    for (let time = 0; time < 2; time++) await this.#publishLast()
    auditor.stop()
    this.#checkRound()
  }

  /** Publishes a last message to every address; resolves when all subscribed clients have the message. */
  async #publishLast (): Promise<void> {
    const last: PublishedMessage[] = []
    for (const address of [...ADDRESSES, `group:${BULK}`]) last.push(await this.publisher.publish(address))
    const recorders = [this.#auditor, ...this.clients.map(({ subject: { recorder } }) => recorder)]
    await this.#waitUntilEmpty('all clients to receive the last message', () => {
      const missing = recorders.map((recorder) => {
        const expected = last.filter(({ n, address }) => recorder.isSubscribed(address) && !recorder.has(n))
        return expected.map(({ address }) => `${recorder.name} at ${address}`)
      })
      return missing.flat()
    })
  }

  /**
   * Resolves when all clients have their stable addresses and the hub counts the same connections: the hub may have
   * closed the connection of a frozen client before the client notices.
   */
  async #settle (what: string): Promise<void> {
    await this.#waitUntilEmpty(what, async () => {
      const absent = this.clients.flatMap(({ subject: { recorder }, stableAddresses }) => {
        const missing = stableAddresses.filter((address) => !recorder.isSubscribed(address))
        return missing.map((address) => `${recorder.name} at ${address}`)
      })
      return absent.length > 0 ? absent : this.#miscountedUsers()
    })
  }

  /** Users whose number of connections in the hub differs from the number of their clients. */
  async #miscountedUsers (): Promise<string[]> {
    const { body } = await this.hub.api('GET', '/clients?limit=1000')
    const connected = (body['clients'] as Array<{ user: string }>).map(({ user }) => user)
    const wanted = this.clients.map(({ subject: { user } }) => user)
    const count = (users: readonly string[], one: string): number => users.filter((user) => user === one).length
    const users = [...new Set([...connected, ...wanted])].filter((user) => user !== AUDITOR)
    const miscounted = users.filter((user) => count(connected, user) !== count(wanted, user))
    return miscounted.map((user) => `the connections of ${user}`)
  }

  /** Waits until the list of open items is empty, and records a fault with the rest of the list after the timeout. */
  async #waitUntilEmpty (what: string, open: () => string[] | Promise<string[]>): Promise<void> {
    const deadline = Date.now() + SETTLE_MS
    for (;;) {
      const left = await open()
      if (left.length === 0) return
      if (Date.now() > deadline) {
        const { body } = await this.hub.api('GET', '/clients?limit=1000')
        this.faults.push(`timeout while waiting for ${what}: ${left.join(', ')}; the hub has ${JSON.stringify(body)}`)
        return
      }
      await sleep(10)
    }
  }

  /** Adds up the clients that are behind, at intervals. */
  async #countBehind (signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.hub.api('GET', '/clients?limit=1000').then(({ body }) => {
        const clients = body['clients'] as Array<{ behind: boolean }> | undefined
        this.totals.behind += clients?.filter(({ behind }) => behind).length ?? 0
      }, () => {}) // The hub is down.
      await sleep(250, undefined, { signal }).catch(() => {}) // Only the abort rejects the sleep.
    }
  }

  #checkRound (): void {
    const recorders = this.clients.map(({ subject: { recorder } }) => recorder)
    const { faults, crashDuplicates, repeated } = checkRound([...recorders, this.#auditor], this.#journal)
    this.faults.push(...faults, ...this.publisher.faults, ...this.hub.faults, ...this.#refusals())
    this.totals.crashDuplicates += crashDuplicates
    this.totals.repeated += repeated
    for (const { subject: { kind, recorder } } of this.clients) {
      this.totals.received[kind] = (this.totals.received[kind] ?? 0) + recorder.received
      this.totals.replayed += recorder.replayed
      recorder.received = recorder.replayed = 0
    }
    for (const recorder of [...recorders, this.#auditor]) recorder.nextRound()
    this.#journal.nextRound()
  }

  /** Refusals without a reason: a session may be unknown only when the hub was killed before the session was stored. */
  #refusals (): string[] {
    return this.clients.flatMap(({ subject }) => {
      if (!(subject instanceof ReliableSubject)) return []
      const unexplained = subject.refusals.splice(0).filter(({ greetedAt }) => {
        return !this.hub.killedAt.some((at) => at >= greetedAt && at < greetedAt + UNSTORED_MS)
      })
      const { name } = subject.recorder
      return unexplained.map(({ at, greetedAt }) => {
        return `${name} could not resume at ${new Date(at).toISOString()}, ${at - greetedAt} ms after its greeting`
      })
    })
  }
}
