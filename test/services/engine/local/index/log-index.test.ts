import fc from 'fast-check'
import t from 'tap'
import { LogIndex } from '../../../../../services/engine/local/index/log-index.ts'
import type { Retention } from '../../../../../services/engine/local/retention.ts'
import type { Range } from '../../../../../services/engine/store.ts'
import { addressKey, type Address, type Offset } from '../../../../../services/model/message.ts'
import { LogModel } from './log-model.ts'

const ADDRESSES: readonly Address[] = [
  { all: true },
  ...['a', 'b', 'ü', 'd'].flatMap((id) => [{ user: id }, { group: id }, { client: id }])
]

const address = fc.constantFrom(...ADDRESSES)
/** A part of the present offsets, of times, or of sizes. */
const share = fc.integer({ min: 0, max: 110 }).map((percent) => percent / 100)
const upTo = fc.option(share, { nil: undefined })
const range = fc.record({ address, after: fc.oneof(fc.constant(0), share), upTo })

const add = fc.record({
  type: fc.constant('add' as const),
  address,
  step: fc.integer({ min: 1, max: 3 }),
  ms: fc.nat(4),
  ttl: fc.oneof({ weight: 3, arbitrary: fc.constant(Infinity) }, { weight: 1, arbitrary: fc.integer({ min: -1, max: 60 }) }),
  payload: fc.nat(60)
})
const operation = fc.oneof(
  { weight: 30, arbitrary: add },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('select' as const),
      ranges: fc.array(range, { maxLength: 5 }),
      messages: fc.integer({ min: 0, max: 12 }),
      bytes: fc.nat(300),
      ms: fc.integer({ min: -5, max: 80 })
    })
  },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('summary' as const), range, ms: fc.integer({ min: -5, max: 80 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('evict' as const), ms: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('lose' as const), share }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('position' as const), share, position: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('living' as const), from: share, to: share }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('miss' as const), address }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('doubt' as const), share }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('purge' as const), address, ms: fc.nat(40) }) }
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

const limits = fc.record({
  maxAgeMs: fc.oneof(fc.constant(Infinity), fc.integer({ min: 20, max: 400 })),
  maxCount: fc.integer({ min: 1, max: 40 })
})
const retention: fc.Arbitrary<Retention> = fc.record({
  log: limits,
  inbox: limits,
  maxBytes: fc.integer({ min: 500, max: 20_000 }),
  idempotencyWindowMs: fc.constant(0)
})

/** Applies operations to an index and to its model, and compares the two after each. */
class Comparison {
  readonly index: LogIndex
  readonly model: LogModel
  readonly #removed: Array<[Offset, number, number]> = []
  #head = 0
  #now = 1000

  constructor (settings: Retention, maxBlockRecords: number) {
    this.index = new LogIndex(settings, { maxBlockRecords })
    this.index.onRemove((...removed) => { this.#removed.push(removed) })
    this.model = new LogModel(settings)
  }

  apply (operation: Operation): void {
    const [actual, expected] = this.#apply(operation)
    assertSame(actual, expected, operation.type)
    assertSame([this.index.living(0, Infinity).length, this.index.bytes], [this.model.records.length, this.model.bytes], 'number and bytes')
  }

  /** Compares everything that can be read. */
  finish (): void {
    const { index, model } = this
    assertSame(sorted(this.#removed), sorted(model.removed), 'removed records')
    assertSame([...index.living(0, Infinity)], model.records.map(({ offset }) => offset), 'living records')
    for (let offset = 0; offset <= this.#head; offset++) {
      assertSame(index.find(offset, this.#now), model.find(offset, this.#now), 'find')
    }
    for (const one of ADDRESSES) {
      for (const after of [0, this.#head / 2]) {
        const range = { address: one, after }
        assertSame(index.summary(range, this.#now), model.summary(range, this.#now), 'summary')
      }
    }
    assertSame(sorted([...index.evictions().entries()]), sorted([...model.evicted]), 'evictions')
  }

  get head (): Offset {
    return this.#head
  }

  #apply (operation: Operation): readonly [actual: unknown, expected: unknown] {
    const { index, model } = this
    switch (operation.type) {
      case 'add': {
        const key = addressKey(operation.address)
        this.#head += operation.step
        this.#now += operation.ms
        const bytes = 64 + Buffer.byteLength(key) + operation.payload
        const record = { offset: this.#head, at: this.#now, until: this.#now + operation.ttl, bytes, position: this.#head }
        index.evict(this.#now, index.add(key, record))
        model.add(key, record)
        model.evict(this.#now, key)
        return [null, null]
      }
      case 'evict':
        this.#now += operation.ms
        index.evict(this.#now)
        model.evict(this.#now, undefined)
        return [null, null]
      case 'lose':
        for (const one of [index, model]) one.lose(this.#at(operation.share))
        return [null, null]
      case 'miss':
        this.#head++
        for (const one of [index, model]) one.miss(addressKey(operation.address), this.#head)
        return [null, null]
      case 'doubt':
        for (const one of [index, model]) one.doubt(this.#at(operation.share))
        return [null, null]
      case 'position':
        for (const one of [index, model]) one.setPosition(this.#at(operation.share), operation.position)
        return [null, null]
      case 'purge': {
        const key = addressKey(operation.address)
        return [index.purge(key, this.#now + operation.ms), model.purge(key, this.#now + operation.ms)]
      }
      case 'living': {
        const [from, to] = [this.#at(operation.from), this.#at(operation.to)]
        const expected = model.records.map(({ offset }) => offset).filter((offset) => offset > from && offset <= to)
        return [[...index.living(from, to)], expected]
      }
      case 'summary': {
        const [range, now] = [this.#range(operation.range), this.#now + operation.ms]
        return [index.summary(range, now), model.summary(range, now)]
      }
      case 'select': {
        const ranges = operation.ranges.map((one) => this.#range(one))
        const now = this.#now + operation.ms
        return [index.select(ranges, operation, this.#head, now), model.select(ranges, operation, this.#head, now)]
      }
    }
  }

  #at (share: number): Offset {
    return Math.round(share * this.#head)
  }

  #range ({ address, after, upTo }: { address: Address, after: number, upTo: number | undefined }): Range {
    return { address, after: this.#at(after), ...upTo === undefined ? {} : { upTo: this.#at(upTo) } }
  }
}

function sorted (items: readonly unknown[]): string[] {
  return items.map((one) => JSON.stringify(one)).sort()
}

function assertSame (actual: unknown, expected: unknown, what: string): void {
  if (text(actual) !== text(expected)) throw new Error(`${what}: ${text(actual)} instead of ${text(expected)}`)
}

/** A text of a value that does not depend on the order of properties. */
function text (value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => {
    if (one === Infinity) return 'Infinity'
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return one
    return Object.fromEntries(Object.entries(one).sort(([a], [b]) => a < b ? -1 : 1))
  })
}

const RUNS = Number(process.env.LOG_INDEX_RUNS ?? 200)

t.test('an index answers as arrays and Maps do', async (t) => {
  const setting = fc.record({
    retention,
    blockRecords: fc.constantFrom(2, 3, 8),
    operations: fc.array(operation, { minLength: 100, maxLength: 400, size: 'max' })
  })
  fc.assert(fc.property(setting, ({ retention, blockRecords, operations }) => {
    const comparison = new Comparison(retention, blockRecords)
    for (const one of operations) comparison.apply(one)
    comparison.finish()
  }), { numRuns: RUNS })
  t.pass(`${RUNS} runs`)
})
