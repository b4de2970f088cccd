// A model of one client: whatever happens, in whatever order, the client receives each message that concerns it once
// and in order. fast-check makes up what happens and shortens a failing run. Nothing here waits for time to pass.
//
// More runs, and a run again: MODEL_RUNS=20000 MODEL_SEED=7 node scripts/test.js client-model

import fc from 'fast-check'
import t from 'tap'
import type { Address, Group } from '../../../../services/model/message.ts'
import type { Protocol } from '../../../../services/protocol/protocol.ts'
import { Model, USER } from './model.ts'
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

type Step =
  | { readonly do: 'publish', readonly messages: readonly Publish[] }
  | { readonly do: 'join' | 'leave' | 'joinUser' | 'leaveUser', readonly group: Group }
  | { readonly do: 'freeze' | 'thaw' | 'cut' | 'disconnect' | 'purge' }
  /** `early`: published before the client is live. */
  | { readonly do: 'connect' | 'resume', readonly early: readonly Publish[] }
  | { readonly do: 'acknowledge', readonly back: number }
  | { readonly do: 'pass', readonly ms: number }

const publish: fc.Arbitrary<Publish> = fc.record({
  to: fc.constantFrom('all', 'all', 'user', 'user', 'client', 'other user', 'other client', ...GROUPS),
  keep: fc.constantFrom(true, true, true, false),
  ttl: fc.constantFrom(undefined, undefined, undefined, 10, 100),
  isFromClient: fc.constantFrom(false, false, false, false, true)
})
const group = fc.constantFrom(...GROUPS)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('publish' as const), messages: fc.array(publish, { minLength: 1, maxLength: 1 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), messages: fc.array(publish, { minLength: 2, maxLength: 20 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'leave' as const, 'joinUser' as const, 'leaveUser' as const), group }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('freeze' as const, 'thaw' as const, 'cut' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('resume' as const, 'resume' as const, 'resume' as const, 'connect' as const), early: fc.array(publish, { maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('disconnect' as const, 'purge' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), back: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1_000, 20_000, 150_000) }) }
)

for (const [how, protocol] of [['acknowledges by commands and resumes', byCommand], ['acknowledges by pongs', byPong]] as const) {
  t.test(`a client that ${how} receives each message that concerns it once and in order`, async (t) => {
    const result = await fc.check(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), (steps) => run(protocol, steps)), { numRuns: RUNS, ...SEED })
    t.notOk(result.failed, `MODEL_SEED=${result.seed} ${messageOf(result.errorInstance)} ${JSON.stringify(result.counterexample)}`)
  })
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : ''
}

async function run (protocol: Protocol, steps: readonly Step[]): Promise<void> {
  const scene = new Scene(protocol)
  try {
    await scene.connect()
    for (const one of steps) await scene.take(one)
    await scene.take({ do: 'thaw' })
    scene.checkBystander()
  } finally {
    await scene.rig.close()
  }
}

/** One hub with the client, its model, and a bystander who is always there. */
class Scene {
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

  /** Takes a step, lets the hub come to rest, and compares the client with the model. Skips an impossible step. */
  async take (step: Step): Promise<void> {
    await this.#take(step)
    await this.rig.settle()
    this.#noteAcknowledgements()
    if (this.#peer === null) return
    if (this.#peer.closedWith !== null) throw new Error(`the hub closed the connection with ${this.#peer.closedWith} after ${step.do}`)
    const fault = this.#model.check(this.#peer.read.map(({ offset }) => offset))
    if (fault !== undefined) throw new Error(`${fault} (after ${step.do})`)
  }

  /** A new connection, in place of the present one. */
  async connect (early: readonly Publish[] = []): Promise<void> {
    if (this.#peer !== null) await this.#lose()
    this.#peer = this.rig.connect(USER, this.#protocol)
    this.#lastId = this.#peer.client.id
    this.#model.connect(this.#lastId, this.rig.engine.head, this.rig.clock.now)
    await this.#publish(early, false)
    await this.rig.settle()
  }

  /** The bystander has received every message to everyone, whatever the client did. */
  checkBystander (): void {
    const read = this.#bystander.read.map(({ data }) => data).filter((data) => data.startsWith('all'))
    if (read.join() !== this.#toAll.join()) throw new Error(`the bystander received ${read.join()} of ${this.#toAll.join()}`)
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
      case 'cut': return this.#lose()
      case 'connect': return this.connect(step.early)
      case 'resume': return this.#resume(step.early)
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
  async #publish (messages: readonly Publish[], isAlone = messages.length === 1): Promise<void> {
    const { hub, clock } = this.rig
    const drafts = messages.map(({ to, keep, ttl, isFromClient }) => {
      const address = this.#addressOf(to)
      const data = `${to.replace(' ', '-')}-${++this.#published}-${'x'.repeat(this.#published % 40)}`
      const except = isFromClient && this.#lastId !== '' ? [this.#lastId] : []
      return { address, data, keep, ttl, except }
    })
    const receipts = await Promise.all(drafts.map(({ address, data, keep, ttl, except }) => {
      return hub.send(address, data, { ...(keep ? {} : { keep }), ...(ttl === undefined ? {} : { ttl }), ...(except.length === 0 ? {} : { except }) })
    }))
    for (const [index, { address, data, keep, ttl = Infinity, except }] of drafts.entries()) {
      const { offset = 0 } = receipts[index] ?? {}
      this.#model.publish({ offset, address, data, keep, except, expiresAt: clock.now + ttl * 1000 }, isAlone)
      if ('all' in address) this.#toAll.push(data)
    }
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
  async #resume (early: readonly Publish[]): Promise<void> {
    if (this.#peer !== null) return
    const peer = this.#lostPeer === null || this.#model.lost === null ? null : await this.rig.resume(USER, this.#lostPeer)
    const canResume = this.#protocol.isResumable && this.#model.canResume(this.rig.clock.now)
    if (canResume !== (peer !== null)) throw new Error(`resuming: expected ${String(canResume)}`)
    if (peer === null) return this.connect(early)
    this.#peer = peer
    // A client that resumes has acknowledged what it had acknowledged before.
    peer.acknowledged = this.#lostPeer?.acknowledged ?? 0
    this.#model.resume(this.rig.clock.now)
    await this.#publish(early, false)
    await this.rig.settle()
  }

  #noteAcknowledgements (): void {
    const { acknowledged = 0 } = this.#peer ?? {}
    this.#model.inboxCursor = Math.max(this.#model.inboxCursor, acknowledged)
  }
}
