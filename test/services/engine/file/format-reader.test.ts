// docs/data-format.md is enough to read a log: a reader that was written from the document finds what the engine has.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Engine } from '../../../../services/engine/engine.ts'
import { addressKey, type Address, type Draft, type Message } from '../../../../services/model/message.ts'
import { draft, PLENTY } from '../../../engine-suite/kit.ts'
import { until } from '../../../support/until.ts'
import { isSealed } from './files.ts'
import { readLog, type ReaderLimits } from './format-reader.ts'
import { openEngine } from './kit.ts'
import { testFolder } from '../../../support/test-folder.ts'

const LIMITS: ReaderLimits = { log: { maxAgeMs: 60_000, maxCount: 30 }, inbox: { maxAgeMs: 300_000, maxCount: 8 }, maxBytes: 12_000 }
/** The id of the last user is ill-formed: half a surrogate pair, and the escape character. */
const ADDRESSES: Address[] = [{ all: true }, { user: 'bob' }, { user: 'zoë' }, { group: 'a:b' }, { client: '1' }, { user: '\uD800 \uFFFF' }]

/** A sequence of numbers below a bound that a seed decides. */
function random (seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor(state / 2 ** 31 * below)
  }
}

function draftOf (n: number, next: (below: number) => number): Draft {
  const more: Partial<Draft> = {
    address: ADDRESSES[next(ADDRESSES.length)] ?? { all: true },
    ...(next(4) === 0 ? { key: `key ${n}` } : {}),
    ...(next(4) === 0 ? { ttl: 1 + next(100) } : {}),
    ...(next(5) === 0 ? { from: 'zoë', except: ['1', '2'], conflate: 'x' } : {}),
    ...(next(9) === 0 ? { keep: next(2) === 0 } : {})
  }
  const text = `${n} é `.repeat(next(12))
  if (next(3) === 0) return draft('', { ...more, payload: { kind: 'json', data: JSON.stringify({ text, n }) } })
  if (next(3) === 0) return draft('', { ...more, payload: { kind: 'binary', data: Buffer.from([n, 0xFF, n]) } })
  return draft(text, more)
}

/** The content of an engine, in the form of the reader. */
async function contentOf (engine: Engine) {
  const messages: Message[] = []
  for (const address of ADDRESSES) messages.push(...(await engine.read([{ address, after: 0 }], PLENTY)).messages)
  const state = new Map((await engine.state.list([], 1000)).map(({ key, value }) => [key.map((part) => part.replace(/[%/]/g, encodeURIComponent)).join('/'), value]))
  return {
    messages: messages.sort((a, b) => a.offset - b.offset).map(({ offset, at, address, payload, ...options }) => {
      return { offset, at, name: addressKey(address), kind: payload.kind, payload: Buffer.from(payload.data).toString('latin1'), options }
    }),
    state
  }
}

function read (folder: string, now: number) {
  const { messages, state } = readLog(folder, LIMITS, now)
  return {
    messages: messages.map(({ offset, at, name, kind, payload, options }) => {
      const kinds = ['', 'text', 'json', 'binary']
      return { offset, at, name, kind: kinds[kind], payload: payload.toString('latin1'), options: options === '' ? {} : JSON.parse(options) as object }
    }),
    state: new Map([...state].sort(([a], [b]) => a < b ? -1 : 1))
  }
}

/** Which kinds of files a folder has. */
function kindsOf (folder: string): string[] {
  const kinds = readdirSync(folder).map((name) => {
    return name.endsWith('.seg') ? isSealed(join(folder, name)) ? 'sealed' : 'unsealed' : name.replace(/\d+/, '')
  })
  return [...new Set(kinds)].sort()
}

/** Writes a log at random, with restarts, and compares at each. */
async function compare (t: Test, seed: number): Promise<void> {
  const folder = testFolder(t)
  const next = random(seed)
  let now = Date.UTC(2026, 0, 1)
  let seen = { messages: 0, values: 0 }
  for (let life = 0; life < 3; life++) {
    const engine = await openEngine(t, folder, { ...LIMITS, now: () => now }, { segmentBytes: 3000 })
    for (let n = 0; n < 120; n++) {
      now += next(1500)
      const kind = next(20)
      if (kind === 0) await engine.purge(ADDRESSES[next(ADDRESSES.length)] ?? { all: true })
      else if (kind < 4) await engine.state.update(['v', `${next(9)}/%`], () => next(3) === 0 ? undefined : { n }, 1 + next(200_000))
      else await engine.append(draftOf(n, next))
    }
    await until(() => ['sealed', '.checkpoint'].every((kind) => kindsOf(folder).includes(kind)), 'a sealed segment and a checkpoint')
    const expected = await contentOf(engine)
    await engine.close()
    t.same(read(folder, now), expected, `seed ${seed}, life ${life}`)
    seen = { messages: seen.messages + expected.messages.length, values: seen.values + expected.state.size }
  }
  t.ok(seen.messages > 40 && seen.values > 4, JSON.stringify(seen))
}

t.test('a reader from the document has the messages and the state of the engine', async (t) => {
  for (const seed of [1, 2]) await compare(t, seed)
})
