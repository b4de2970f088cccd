import fc from 'fast-check'
import type { Address, Offset } from '../../services/model/message.ts'
import { BOB, LIMITS, NEWS, readAll, draft, type EngineFixture, type TestOne } from './kit.ts'

type Step =
  | { readonly kind: 'append', readonly to: Address, readonly ttl: number | undefined, readonly times: number }
  | { readonly kind: 'advance', readonly ms: number }
  | { readonly kind: 'purge', readonly to: Address }

interface Entry {
  readonly offset: Offset
  readonly text: string
  readonly until: number
  readonly at: number
}

const ADDRESSES: readonly Address[] = [NEWS, BOB, { user: 'alice' }]
const address = fc.constantFrom(...ADDRESSES)
const append = fc.record({
  kind: fc.constant('append' as const),
  to: address,
  ttl: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
  times: fc.integer({ min: 1, max: 8 })
})
const advance = fc.record({
  kind: fc.constant('advance' as const),
  ms: fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.constantFrom(LIMITS.log.maxAgeMs + 1, LIMITS.inbox.maxAgeMs))
})
const purge = fc.record({ kind: fc.constant('purge' as const), to: address })
const steps = fc.array(fc.oneof(
  { weight: 6, arbitrary: append }, { weight: 3, arbitrary: advance }, { weight: 1, arbitrary: purge }
), { minLength: 5, maxLength: 25 })

/** The stream of an address, as a plain list. */
class StreamModel {
  #entries: Entry[] = []
  #evicted = { count: 0, upTo: 0 }
  readonly #limits: { readonly maxAgeMs: number, readonly maxCount: number }

  constructor (to: Address) {
    this.#limits = 'user' in to ? LIMITS.inbox : LIMITS.log
  }

  append (entry: Entry): void {
    this.evictExpired(entry.at)
    this.#entries.push(entry)
    this.#evict(this.#entries.length - this.#limits.maxCount)
  }

  evictExpired (now: number): void {
    const alive = this.#entries.filter(({ until }) => until > now)
    this.#evicted.count += this.#entries.length - alive.length
    this.#entries = alive
    this.#evict(alive.filter(({ at }) => now - at > this.#limits.maxAgeMs).length)
  }

  purge (): number {
    const { length } = this.#entries
    this.#entries = []
    this.#evicted = { count: 0, upTo: 0 }
    return length
  }

  after (after: Offset) {
    const above = this.#entries.filter(({ offset }) => offset > after)
    return {
      page: { texts: above.map(({ text }) => text), hasGap: after < this.#evicted.upTo },
      summary: { count: above.length, oldest: above[0]?.offset ?? 0, evicted: { ...this.#evicted } }
    }
  }

  #evict (count: number): void {
    for (const { offset } of this.#entries.splice(0, Math.max(0, count))) {
      this.#evicted = { count: this.#evicted.count + 1, upTo: offset }
    }
  }
}

/** Random steps on an engine and on plain lists give the same content. */
export function modelPromises (test: TestOne): void {
  test('holds the same messages as plain lists, after any steps', async (t, fixture) => {
    await fc.assert(fc.asyncProperty(steps, async (steps) => run(fixture, steps)), { numRuns: 12 })
    t.pass('12 runs of up to 25 steps')
  })
}

async function run ({ engine, advance }: EngineFixture, steps: readonly Step[]): Promise<void> {
  const streams = ADDRESSES.map((to) => ({ to, stream: new StreamModel(to), offsets: [0] }))
  for (const { to } of streams) await engine.purge(to)
  let now = 0
  for (const step of steps) {
    if (step.kind === 'advance') {
      advance(step.ms)
      now += step.ms
    }
    for (const { to, stream, offsets } of streams) {
      stream.evictExpired(now)
      if (step.kind === 'purge' && to === step.to) equal(await engine.purge(to), stream.purge())
      if (step.kind !== 'append' || to !== step.to) continue
      const texts = Array.from({ length: step.times }, (_, n) => `${offsets.length}.${n}`)
      const appended = await Promise.all(texts.map((text) => engine.append(draft(text, { address: to, ttl: step.ttl }))))
      const until = step.ttl === undefined ? Infinity : now + step.ttl * 1000
      for (const [n, { offset }] of appended.entries()) stream.append({ offset, text: texts[n] ?? '', until, at: now })
      offsets.push(...appended.map(({ offset }) => offset))
    }
    for (const { to, stream, offsets } of streams) {
      for (const after of [0, offsets.at(-1) ?? 0, offsets.at(-4) ?? 0, Math.max(0, (offsets.at(-6) ?? 0) - 1)]) {
        const expected = stream.after(after)
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
