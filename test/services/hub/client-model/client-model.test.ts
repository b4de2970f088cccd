// Compares one client with a model: after any events in any order, the client has received each message that concerns
// the client, once and in order. fast-check generates the events, and shortens a failing run. No time passes by itself.
//
// More runs, and the same runs again: MODEL_RUNS=20000 MODEL_SEED=7 node scripts/test.js client-model

import fc from 'fast-check'
import t from 'tap'
import type { Address, Group } from '../../../../services/model/message.ts'
import type { Protocol } from '../../../../services/protocol/protocol.ts'
import { Model, USER, type Published } from './model.ts'
import { byCommand, byPong, Rig, type Peer } from './rig.ts'

const RUNS = Number(process.env.MODEL_RUNS ?? 100)
const SEED = process.env.MODEL_SEED === undefined ? {} : { seed: Number(process.env.MODEL_SEED) }
const GROUPS = ['news', 'prices']

t.setTimeout(60_000 + RUNS * 100)

/** An address in words; every other word is a group. */
type Target = string

interface Publish {
  readonly to: Target
  readonly keep: boolean
  readonly ttl?: number | undefined
  /** Whether the message is for everybody but the client. */
  readonly isFromClient: boolean
}

/** Messages published at the moment of a connect: `before` the hub knows the client, and `early`, before it is live. */
interface Around {
  readonly before: readonly Publish[]
  readonly early: readonly Publish[]
}

type Step =
  | { readonly do: 'publish', readonly messages: readonly Publish[] }
  | { readonly do: 'join' | 'leave' | 'joinUser' | 'leaveUser', readonly group: Group }
  | { readonly do: 'freeze' | 'thaw' | 'cut' | 'disconnect' | 'purge' }
  | { readonly do: 'connect' | 'resume' } & Around
  | { readonly do: 'sip', readonly writes: number }
  | { readonly do: 'acknowledge', readonly back: number }
  | { readonly do: 'pass', readonly ms: number }

const { constantFrom, record } = fc
const publish: fc.Arbitrary<Publish> = record({
  to: constantFrom('all', 'all', 'user', 'user', 'client', 'other user', 'other client', ...GROUPS),
  keep: constantFrom(true, true, true, false),
  ttl: constantFrom(undefined, undefined, undefined, 10, 100),
  isFromClient: constantFrom(false, false, false, false, true)
})
const group = constantFrom(...GROUPS)
const atMost = (maxLength: number): fc.Arbitrary<Publish[]> => fc.array(publish, { maxLength })

/** The steps, each with its weight. */
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: record({ do: constantFrom('publish'), messages: fc.tuple(publish) }) },
  { weight: 4, arbitrary: record({ do: constantFrom('publish'), messages: atMost(20) }) },
  { weight: 4, arbitrary: record({ do: constantFrom('join', 'leave', 'joinUser', 'leaveUser'), group }) },
  { weight: 6, arbitrary: record({ do: constantFrom('freeze', 'thaw', 'cut') }) },
  { weight: 3, arbitrary: record({ do: constantFrom('resume'), before: atMost(3), early: atMost(4) }) },
  { weight: 1, arbitrary: record({ do: constantFrom('connect'), before: atMost(3), early: atMost(4) }) },
  { weight: 2, arbitrary: record({ do: constantFrom('disconnect', 'purge') }) },
  { weight: 3, arbitrary: record({ do: constantFrom('sip'), writes: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: record({ do: constantFrom('acknowledge'), back: fc.nat(5) }) },
  { weight: 2, arbitrary: record({ do: constantFrom('pass'), ms: constantFrom(1_000, 20_000, 150_000) }) }
)
const steps = fc.array(step, { minLength: 5, maxLength: 60, size: 'max' })

const CLIENTS = [['acknowledges by commands and resumes', byCommand], ['acknowledges by pongs', byPong]] as const

for (const [how, protocol] of CLIENTS) {
  t.test(`a client that ${how} receives each message that concerns it once and in order`, async (t) => {
    const property = fc.asyncProperty(steps, (list) => run(protocol, list))
    const { failed, seed, errorInstance, counterexample } = await fc.check(property, { numRuns: RUNS, ...SEED })
    t.notOk(failed, `MODEL_SEED=${seed} ${messageOf(errorInstance)} ${JSON.stringify(counterexample)}`)
  })
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : ''
}

async function run (protocol: Protocol, list: readonly Step[]): Promise<void> {
  const trial = new Trial(protocol)
  try {
    await trial.take({ do: 'connect', before: [], early: [] })
    for (const one of list) await trial.take(one)
    await trial.take({ do: 'thaw' })
    trial.checkBystander()
  } finally {
    await trial.rig.close()
  }
}

/** One hub with the client, the model of the client, and a bystander: a client that stays connected and reads. */
class Trial {
  readonly rig = new Rig()
  readonly #model = new Model()
  readonly #protocol: Protocol
  readonly #bystander: Peer
  /** The data of the messages to everyone. */
  readonly #toAll: string[] = []
  /** The connection of the client; null while there is none. */
  #peer: Peer | null = null
  /** The last connection that was lost. */
  #lostPeer: Peer | null = null
  /** Id of the present or the last connection. */
  #lastId = ''
  #published = 0

  constructor (protocol: Protocol) {
    this.#protocol = protocol
    this.#bystander = this.rig.connect('bob', protocol)
  }

  /** Takes a step, waits until the hub is at rest, and compares the client with the model. Skips an impossible step. */
  async take (step: Step): Promise<void> {
    await this.#take(step)
    await this.rig.settle()
    this.#noteAcknowledgements()
    if (this.#peer === null) return
    const { closedWith, gaps, read } = this.#peer
    if (closedWith !== null) throw new Error(`the hub closed the connection with ${closedWith} (after ${step.do})`)
    const fault = gaps > 0 ? 'a gap notice without a gap' : this.#model.check(read)
    if (fault !== undefined) throw new Error(`${fault} (after ${step.do})`)
  }

  /** A new connection, in place of the present one. */
  async #connect (around: Around): Promise<void> {
    if (this.#peer !== null) await this.#lose()
    const before = this.#send(around.before)
    const peer = this.#peer = this.rig.connect(USER, this.#protocol)
    const { head } = this.rig.engine
    await this.#record(before, false, () => {
      this.#lastId = peer.client.id
      this.#model.connect(this.#lastId, head, this.rig.clock.now)
    }, head)
    await this.#publish(around.early, false)
  }

  /** The bystander has received every message to everyone, whatever the client did. */
  checkBystander (): void {
    const read = this.#bystander.read.map(({ data }) => data).filter((data) => data.startsWith('all'))
    const [received, published] = [read.join(), this.#toAll.join()]
    if (received !== published) throw new Error(`the bystander received ${received} of ${published}`)
  }

  async #take (step: Step): Promise<void> {
    const { hub, engine, clock } = this.rig
    const model = this.#model
    const peer = this.#peer
    switch (step.do) {
      case 'publish': return this.#publish(step.messages)
      case 'join': case 'leave':
        if (peer === null) return
        await hub[step.do](peer.id, step.group)
        return step.do === 'join' ? model.join(step.group, engine.head) : model.leave(step.group)
      case 'joinUser':
        await hub.join({ user: USER }, step.group)
        return model.joinUser(step.group, engine.head)
      case 'leaveUser':
        await hub.leave({ user: USER }, step.group)
        return model.leaveUser(step.group, engine.head)
      case 'freeze': case 'thaw':
        if (peer === null || model.live === null) return
        peer[step.do]()
        model.live.isFrozen = peer.isFrozen
        return
      case 'sip':
        if (peer?.isFrozen === true) peer.sip(step.writes)
        return
      case 'cut': return this.#lose()
      case 'connect': return this.#connect(step)
      case 'resume': return this.#resume(step)
      case 'disconnect':
        await hub.disconnect({ user: USER })
        this.#peer = null
        return model.end()
      case 'purge':
        await hub.purgeInbox(USER)
        return model.purge()
      case 'acknowledge': {
        const { offset } = peer?.read.at(-1 - step.back) ?? {}
        if (offset !== undefined && this.#protocol.acknowledgedBy === 'command') peer?.acknowledge(offset)
        return
      }
      case 'pass':
        clock.now += step.ms
        return model.pass(clock.now)
    }
  }

  /** Publishes the messages at the same moment. `isAlone`: nothing else happens at this moment. */
  #publish (messages: readonly Publish[], isAlone = messages.length === 1): Promise<void> {
    return this.#record(this.#send(messages), isAlone)
  }

  /** Hands the messages to the hub, without waiting. */
  #send (messages: readonly Publish[]): Array<Promise<Published>> {
    return messages.map(async ({ to, keep, ttl, isFromClient }) => {
      const address = this.#addressOf(to)
      const data = `${to.replace(' ', '-')}-${++this.#published}-${'x'.repeat(this.#published % 40)}`
      const except = isFromClient && this.#lastId !== '' ? [this.#lastId] : []
      const expiresAt = this.rig.clock.now + (ttl ?? Infinity) * 1000
      if ('all' in address) this.#toAll.push(data)
      const options = { keep, ...(ttl === undefined ? {} : { ttl }), ...(except.length === 0 ? {} : { except }) }
      const { offset } = await this.rig.hub.send(address, data, options)
      return { offset, address, data, keep, except, expiresAt }
    })
  }

  /** Records the messages in the model, and `connect` between the messages up to the offset `head` and the others. */
  async #record (
    sent: ReadonlyArray<Promise<Published>>, isAlone: boolean, connect = () => {}, head = Infinity
  ): Promise<void> {
    const messages = await Promise.all(sent)
    for (const message of messages) if (message.offset <= head) this.#model.publish(message, isAlone)
    connect()
    for (const message of messages) if (message.offset > head) this.#model.publish(message, isAlone)
  }

  #addressOf (to: Target): Address {
    if (to === 'all') return { all: true }
    if (to === 'user') return { user: USER }
    if (to === 'client') return { client: this.#lastId === '' ? 'nobody' : this.#lastId }
    if (to === 'other user') return { user: 'bob' }
    return to === 'other client' ? { client: this.#bystander.id } : { group: to }
  }

  async #lose (): Promise<void> {
    if (this.#peer === null) return
    this.#peer.cut()
    await this.rig.settle()
    this.#model.lose(this.#peer.acknowledged, this.rig.clock.now)
    this.#lostPeer = this.#peer
    this.#peer = null
  }

  /** Resumes the lost connection, or begins a new one where that is impossible. */
  async #resume (around: Around): Promise<void> {
    if (this.#peer !== null) return
    const lost = this.#model.lost === null ? null : this.#lostPeer
    const before = this.#send(around.before)
    const peer = lost === null ? null : await this.rig.resume(USER, lost)
    const { head } = this.rig.engine
    const canResume = this.#protocol.isResumable && this.#model.canResume(this.rig.clock.now)
    if (canResume !== (peer !== null)) throw new Error(`resuming: expected ${String(canResume)}`)
    if (peer === null) {
      await this.#record(before, false)
      return this.#connect({ before: [], early: around.early })
    }
    this.#peer = peer
    // A client that resumes has acknowledged what it had acknowledged before.
    peer.acknowledged = lost?.acknowledged ?? 0
    await this.#record(before, false, () => this.#model.resume(this.rig.clock.now), head)
    await this.#publish(around.early, false)
  }

  #noteAcknowledgements (): void {
    const { acknowledged = 0 } = this.#peer ?? {}
    this.#model.inboxCursor = Math.max(this.#model.inboxCursor, acknowledged)
  }
}
