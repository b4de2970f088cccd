// The same random operations on several engines give equal receipts, pages, gaps, summaries and values: in memory, on
// files, and on files that are opened again and again.
//
// More and longer runs, and the same runs again: DIFFERENTIAL_RUNS=100 DIFFERENTIAL_STEPS=10000 DIFFERENTIAL_SEED=7

import t, { type Test } from 'tap'
import type { Engine } from '../../../services/engine/engine.ts'
import { openFileEngine, type FilePlace } from '../../../services/engine/file/engine.ts'
import type { Retention } from '../../../services/engine/local/retention.ts'
import { createMemoryEngine } from '../../../services/engine/memory/engine.ts'
import type { Address, Draft, Offset } from '../../../services/model/message.ts'
import { LogRecorder } from '../../engine-suite/kit.ts'
import { Random } from '../../support/random.ts'
import { testFolder } from '../../support/test-folder.ts'

const RUNS = Number(process.env.DIFFERENTIAL_RUNS ?? 3)
const STEPS = Number(process.env.DIFFERENTIAL_STEPS ?? 1500)
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? Date.now() % 1_000_000)
/** Steps between two restarts of the engine that is opened again and again. */
const RESTART_STEPS = 100

t.setTimeout(60_000 + RUNS * STEPS * 20)

const ADDRESSES: readonly Address[] = [
  { all: true }, { user: 'alice' }, { user: 'bob' }, { user: 'carol' }, { group: 'news' }, { group: 'prices' }, { client: 'c' }
]

/** The result of a call as one comparable text. */
async function resultOf (call: () => Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify(canonical(await call()))
  } catch (error) {
    return `rejected: ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`
  }
}

/** A value with sorted fields and comparable bytes. */
function canonical (value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, one]) => [key, canonical(one)]))
}

type Call = (engine: Engine) => Promise<unknown>

/** Draws one operation. `offsets`: those of all messages so far. */
function draw (random: Random, offsets: readonly Offset[]): Call {
  const address = (): Address => ADDRESSES[random.below(ADDRESSES.length)] ?? { all: true }
  const offset = (): Offset => offsets[offsets.length - 1 - random.below(Math.min(offsets.length, 300))] ?? 0
  const kind = random.below(20)
  if (kind < 10) {
    const drafts = Array.from({ length: 1 + random.below(4) }, () => drawDraft(random, address()))
    return (engine) => Promise.all(drafts.map((draft) => resultOf(() => engine.append(draft))))
  }
  if (kind < 14) {
    const ranges = Array.from({ length: 1 + random.below(4) }, () => {
      const after = random.below(4) === 0 ? 0 : Math.max(0, offset() - random.below(2))
      return { address: address(), after, ...(random.below(3) === 0 ? { upTo: offset() + random.below(3) } : {}) }
    })
    const limit = { messages: 1 + random.below(30), bytes: 100 + random.below(4000) }
    return (engine) => engine.read(ranges, limit)
  }
  if (kind < 16) {
    const range = { address: address(), after: random.below(2) === 0 ? 0 : offset() }
    return (engine) => engine.summary(range)
  }
  if (kind < 17) {
    const one = offset()
    return (engine) => engine.find(one)
  }
  if (kind < 18) {
    const one = address()
    return (engine) => random.below(6) === 0 ? engine.purge(one) : engine.summary({ address: one, after: 0 })
  }
  const key = ['k', String(random.below(8)), ...(random.below(3) === 0 ? ['deep'] : [])]
  if (random.below(3) === 0) return (engine) => engine.state.list(['k'], 1 + random.below(5))
  const [value, ttl] = [random.below(5) === 0 ? undefined : { n: random.below(1000) }, 1 + random.below(20_000)]
  return (engine) => engine.state.update(key, (present) => value === undefined ? undefined : { ...value, before: (present as { n?: number } | undefined)?.n ?? null }, ttl)
}

function drawDraft (random: Random, address: Address): Draft {
  const text = 'x'.repeat(random.below(120))
  const kind = random.below(6)
  const payload: Draft['payload'] = kind === 0
    ? { kind: 'binary', data: Buffer.from(text) }
    : { kind: kind === 1 ? 'json' : 'text', data: kind === 1 ? JSON.stringify(text) : text }
  return {
    address,
    payload,
    ...(random.below(6) === 0 ? { key: `key ${random.below(30)}` } : {}),
    ...(random.below(6) === 0 ? { ttl: 1 + random.below(20) } : {}),
    ...(random.below(12) === 0 ? { keep: false } : {}),
    ...(random.below(12) === 0 ? { except: ['a', 'b'], from: 'alice', conflate: 'c' } : {})
  }
}

/** Two texts from shortly before their first difference on. */
function difference (text = '', other = ''): string {
  const at = [...text].findIndex((letter, n) => letter !== other[n])
  const from = Math.max(0, (at === -1 ? text.length : at) - 60)
  return `… ${text.slice(from, from + 300)} … instead of … ${other.slice(from, from + 300)} …`
}

interface Contender {
  readonly name: string
  engine: Engine
  readonly reopen: (() => Promise<Engine>) | null
}

async function run (t: Test, seed: number, limits: Partial<Retention> = {}): Promise<string | null> {
  let now = Date.UTC(2026, 0, 1)
  const retention = {
    log: { maxAgeMs: 60_000, maxCount: 40 },
    inbox: { maxAgeMs: 300_000, maxCount: 15 },
    maxBytes: 1e9,
    idempotencyWindowMs: 5000,
    ...limits,
    now: () => now
  }
  const folders = testFolder(t, { file: {}, again: {} })
  const open = (name: string, place: Partial<FilePlace> = {}) => {
    return openFileEngine(retention, { path: `${folders}/${name}`, log: new LogRecorder(), ...place })
  }
  const openAgain = () => open('again', { segmentBytes: 3000, hotBytes: 2000 })
  const contenders: Contender[] = [
    { name: 'memory', engine: createMemoryEngine(retention), reopen: null },
    { name: 'memory in small blocks', engine: createMemoryEngine(retention, { maxBlockRecords: 8 }), reopen: null },
    { name: 'file', engine: await open('file', { segmentBytes: 20_000 }), reopen: null },
    { name: 'file, opened again', engine: await openAgain(), reopen: openAgain }
  ]
  const random = new Random(seed)
  const offsets: Offset[] = []
  try {
    for (let step = 0; step < STEPS; step++) {
      if (random.below(5) === 0) now += random.below(10) === 0 ? 30_000 + random.below(90_000) : random.below(3000)
      const stepSeed = random.below(2 ** 31)
      const results: string[] = []
      for (const contender of contenders) {
        if (contender.reopen !== null && step % RESTART_STEPS === RESTART_STEPS - 1) {
          await contender.engine.close()
          contender.engine = await contender.reopen()
        }
        // Each engine gets the same draws.
        const call = draw(new Random(stepSeed), offsets)
        results.push(await resultOf(() => call(contender.engine)))
      }
      const other = results.findIndex((result) => result !== results[0])
      if (other !== -1) return `seed ${seed}, step ${step}: ${contenders[other]?.name}: ${difference(results[other], results[0])}`
      for (const [, offset] of (results[0] ?? '').matchAll(/\\"offset\\":(\d+)/g)) offsets.push(Number(offset))
    }
    return null
  } finally {
    for (const { engine } of contenders) await engine.close()
  }
}

t.test('random operations give the same results on every engine', async (t) => {
  for (let n = 0; n < RUNS; n++) t.equal(await run(t, SEED + n), null)
})

t.test('random operations give the same results on every engine at the limit of bytes', async (t) => {
  for (let n = 0; n < RUNS; n++) t.equal(await run(t, SEED + n, { maxBytes: 6000 }), null)
})
