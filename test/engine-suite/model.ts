import fc from 'fast-check'
import type { Address, Offset } from '../../services/model/message.ts'
import { BOB, LIMITS, NEWS, readAll, say, type EngineFixture, type TestOne } from './kit.ts'

type Step =
  | { readonly kind: 'say', readonly to: Address, readonly ttl: number | undefined, readonly times: number }
  | { readonly kind: 'advance', readonly ms: number }
  | { readonly kind: 'purge', readonly to: Address }

interface Said {
  readonly offset: Offset
  readonly text: string
  readonly end: number
  readonly at: number
}

const ADDRESSES: readonly Address[] = [NEWS, BOB, { user: 'alice' }]
const address = fc.constantFrom(...ADDRESSES)
const steps = fc.array(fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('say' as const), to: address, ttl: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }), times: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.constantFrom(LIMITS.log.maxAgeMs + 1, LIMITS.inbox.maxAgeMs)) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('purge' as const), to: address }) }
), { minLength: 5, maxLength: 25 })

/** An address, kept in the simplest way. */
class Line {
  #said: Said[] = []
  #evicted = { count: 0, upTo: 0 }
  readonly #limits: { readonly maxAgeMs: number, readonly maxCount: number }

  constructor (to: Address) {
    this.#limits = 'user' in to ? LIMITS.inbox : LIMITS.log
  }

  say (said: Said): void {
    this.settle(said.at)
    this.#said.push(said)
    this.#evict(this.#said.length - this.#limits.maxCount)
  }

  settle (now: number): void {
    const alive = this.#said.filter(({ end }) => end > now)
    this.#evicted.count += this.#said.length - alive.length
    this.#said = alive
    this.#evict(alive.filter(({ at }) => now - at > this.#limits.maxAgeMs).length)
  }

  purge (): number {
    const { length } = this.#said
    this.#said = []
    this.#evicted = { count: 0, upTo: 0 }
    return length
  }

  after (after: Offset) {
    const above = this.#said.filter(({ offset }) => offset > after)
    return {
      page: { texts: above.map(({ text }) => text), hasGap: after < this.#evicted.upTo },
      summary: { count: above.length, oldest: above[0]?.offset ?? 0, evicted: { ...this.#evicted } }
    }
  }

  #evict (count: number): void {
    for (const { offset } of this.#said.splice(0, Math.max(0, count))) this.#evicted = { count: this.#evicted.count + 1, upTo: offset }
  }
}

/** An engine, compared with lists. */
export function modelPromises (test: TestOne): void {
  test('holds what plain lists would hold, whatever is done', async (t, fixture) => {
    await fc.assert(fc.asyncProperty(steps, async (steps) => run(fixture, steps)), { numRuns: 12 })
    t.pass('12 runs of up to 25 steps')
  })
}

async function run ({ engine, advance }: EngineFixture, steps: readonly Step[]): Promise<void> {
  const lines = ADDRESSES.map((to) => ({ to, line: new Line(to), offsets: [0] }))
  for (const { to } of lines) await engine.purge(to)
  let now = 0
  for (const step of steps) {
    if (step.kind === 'advance') {
      advance(step.ms)
      now += step.ms
    }
    for (const { to, line, offsets } of lines) {
      line.settle(now)
      if (step.kind === 'purge' && to === step.to) equal(await engine.purge(to), line.purge())
      if (step.kind !== 'say' || to !== step.to) continue
      const drafts = Array.from({ length: step.times }, (_, n) => say(`${offsets.length}.${n}`, { address: to, ttl: step.ttl }))
      const appended = await Promise.all(drafts.map((draft) => engine.append(draft)))
      for (const [n, { offset }] of appended.entries()) {
        line.say({ offset, text: `${offsets.length}.${n}`, end: step.ttl === undefined ? Infinity : now + step.ttl * 1000, at: now })
      }
      offsets.push(...appended.map(({ offset }) => offset))
    }
    for (const { to, line, offsets } of lines) {
      for (const after of [0, offsets.at(-1) ?? 0, offsets.at(-4) ?? 0, Math.max(0, (offsets.at(-6) ?? 0) - 1)]) {
        const expected = line.after(after)
        equal(await readAll(engine, [to], after), expected.page)
        equal(await engine.summary({ address: to, after }), expected.summary)
      }
    }
  }
}

function equal (found: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${is} should be ${should}`)
}
