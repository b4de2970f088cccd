import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { AddressKey } from '../../services/model/message.ts'
import { Random } from '../soak/random.ts'
import { Chaos } from './chaos.ts'
import { AUDITOR, audit, BULK, FLEETING, gather, NEWS, USERS, type CrewOptions, type Member } from './clients.ts'
import type { HubProcess } from './hub-process.ts'
import { Journal, type Said } from './journal.ts'
import { Publisher, type Lane } from './publisher.ts'
import { ReliableSubject } from './reliable-subject.ts'
import { Tripwire } from './crash-trigger.ts'
import { judge } from './check.ts'
import { Witness } from './recorder.ts'

/** How long everything may take to come to rest once the network is good and the hub runs. */
const REST_MS = 60_000
/** A session whose hub is killed so soon after the greeting may be unknown to the next one. */
const UNSETTLED_MS = 1000

const ROOM: readonly [AddressKey, ...AddressKey[]] = ['all', ...USERS, `group:${NEWS}`, `group:${FLEETING}`]
const [FIRST_USER = 'user:', ...OTHER_USERS] = USERS
const small = (random: Random): number => random.between(40, random.pick(60, 200, 800))
const LANES: readonly Lane[] = [
  { addresses: ['all'], bytes: small, pauseMs: [0, 30] },
  { addresses: [FIRST_USER, ...OTHER_USERS], bytes: small, pauseMs: [0, 15] },
  { addresses: [`group:${NEWS}`, `group:${FLEETING}`], bytes: small, pauseMs: [0, 30] },
  { addresses: ROOM, bytes: (random) => random.between(100, 9000), pauseMs: [5, 60] },
  { addresses: ROOM, bytes: small, pauseMs: [0, 200], burst: 20 },
  // More than the kernel takes for a client that does not read, about 4 MB.
  { addresses: [`group:${BULK}`], bytes: (random) => random.between(20_000, 30_000), pauseMs: [1000, 3000], burst: 250 }
]

/** A hub, a crew, backends and chaos, in rounds: rage, come to rest, check. */
export class Campaign {
  readonly faults: string[] = []
  readonly totals = { rounds: 0, repeated: 0, phantoms: 0, replayed: 0, behind: 0, received: {} as Record<string, number> }
  readonly hub: HubProcess
  readonly members: readonly Member[]
  readonly publisher: Publisher
  readonly chaos: Chaos
  readonly #t: Test
  readonly #options: CrewOptions
  readonly #journal: Journal
  readonly #auditor: Witness

  private constructor (t: Test, options: CrewOptions, members: readonly Member[]) {
    this.#t = t
    this.#options = options
    this.#journal = options.journal
    this.hub = options.hub
    this.members = members
    this.publisher = new Publisher(options)
    this.chaos = new Chaos({ ...options, members })
    this.#auditor = new Witness({ name: AUDITOR, journal: this.#journal, addresses: ['all', `group:${NEWS}`, `group:${BULK}`, `group:${FLEETING}`], readsLog: true })
  }

  /** The hub has to run. */
  static async prepare (t: Test, hub: HubProcess, seed: number): Promise<Campaign> {
    const options = { hub, seed, journal: new Journal(), tripwire: new Tripwire() }
    return new Campaign(t, options, await gather(t, options))
  }

  /** Everybody comes. */
  async begin (): Promise<void> {
    for (const { subject } of this.members) subject.start()
    await this.#rest('everybody to come')
  }

  /** One round; faults are added to what there is. */
  async round (ms: number): Promise<void> {
    const round = this.totals.rounds++
    const after = (await this.publisher.say('all')).acknowledged?.offset ?? 0
    this.#auditor.begin()
    this.#auditor.hears(...this.#auditor.addresses)
    const over = new AbortController()
    const lanes = LANES.map((lane, n) => this.publisher.lane(new Random(this.#options.seed + round * 100 + n), lane, over.signal))
    const watching = this.#watch(over.signal)
    await this.chaos.run(ms)
    over.abort()
    await Promise.all([...lanes, watching])

    await this.#rest('everybody to come back')
    const auditor = await audit(this.#t, this.#options, this.#auditor, after)
    // The second time shows what came again after the first.
    for (let time = 0; time < 2; time++) await this.#sayLast()
    auditor.stop()
    this.#judge()
  }

  /** Says a last message to every address; resolves when it has reached everybody who is there. */
  async #sayLast (): Promise<void> {
    const last: Said[] = []
    for (const address of [...ROOM, `group:${BULK}`]) last.push(await this.publisher.say(address))
    const witnesses = [this.#auditor, ...this.members.map(({ subject: { witness } }) => witness)]
    await this.#until('everybody to get the last message', () => {
      const missing = witnesses.map((witness) => last.filter(({ n, address }) => witness.isAt(address) && !witness.has(n)).map(({ address }) => `${witness.name} at ${address}`))
      return missing.flat()
    })
  }

  /** Resolves when everybody is where it belongs, and the hub knows as many: who was frozen may have been given up and not know it yet. */
  async #rest (what: string): Promise<void> {
    await this.#until(what, async () => {
      const absent = this.members.flatMap(({ subject: { witness }, home }) => home.filter((address) => !witness.isAt(address)).map((address) => `${witness.name} at ${address}`))
      return absent.length > 0 ? absent : this.#miscounted()
    })
  }

  /** Users of whom the hub knows more connections than there are, or fewer. */
  async #miscounted (): Promise<string[]> {
    const { body } = await this.hub.api('GET', '/clients?limit=1000')
    const here = (body['clients'] as Array<{ user: string }>).map(({ user }) => user)
    const wanted = this.members.map(({ subject: { user } }) => user)
    const count = (users: readonly string[], one: string): number => users.filter((user) => user === one).length
    return [...new Set([...here, ...wanted])].filter((user) => user !== AUDITOR && count(here, user) !== count(wanted, user)).map((user) => `the connections of ${user}`)
  }

  /** Waits until nothing is open any more, and notes what is when that takes too long. */
  async #until (what: string, open: () => string[] | Promise<string[]>): Promise<void> {
    const deadline = Date.now() + REST_MS
    for (;;) {
      const left = await open()
      if (left.length === 0) return
      if (Date.now() > deadline) {
        const { body } = await this.hub.api('GET', '/clients?limit=1000')
        this.faults.push(`waited in vain for ${what}: ${left.join(', ')}; the hub has ${JSON.stringify(body)}`)
        return
      }
      await sleep(10)
    }
  }

  /** Counts how often somebody was seen to be behind. */
  async #watch (signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.hub.api('GET', '/clients?limit=1000').then(({ body }) => {
        this.totals.behind += (body['clients'] as Array<{ behind: boolean }> | undefined)?.filter(({ behind }) => behind).length ?? 0
      }, () => {}) // The hub is away.
      await sleep(250, undefined, { signal }).catch(() => {}) // The only failure is the end.
    }
  }

  #judge (): void {
    const witnesses = this.members.map(({ subject: { witness } }) => witness)
    const { faults, phantoms, repeated } = judge([...witnesses, this.#auditor], this.#journal)
    this.faults.push(...faults, ...this.publisher.faults, ...this.hub.faults, ...this.#refusals())
    this.totals.phantoms += phantoms
    this.totals.repeated += repeated
    for (const { subject: { kind, witness } } of this.members) {
      this.totals.received[kind] = (this.totals.received[kind] ?? 0) + witness.received
      this.totals.replayed += witness.replayed
      witness.received = witness.replayed = 0
    }
    for (const witness of [...witnesses, this.#auditor]) witness.nextRound()
    this.#journal.nextRound()
  }

  /** A session may only be unknown when the hub was killed before it had stored it. */
  #refusals (): string[] {
    return this.members.flatMap(({ subject }) => {
      if (!(subject instanceof ReliableSubject)) return []
      const unexcused = subject.refusals.splice(0).filter(({ greetedAt }) => !this.hub.killedAt.some((at) => at >= greetedAt && at < greetedAt + UNSETTLED_MS))
      return unexcused.map(({ at, greetedAt }) => `${subject.witness.name} could not resume at ${new Date(at).toISOString()}, ${at - greetedAt} ms after it had been greeted`)
    })
  }
}
