// Damage to the files of a log: random edits of copies of one folder. DAMAGE_EDITS=500 for more edits, DAMAGE_SEED=n for
// others. Takes over 10 s on a busy machine: each edit opens the log two or three times.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openFileEngine } from '../../../../services/engine/file/engine.ts'
import { DISK } from '../../../../services/engine/file/journal/disk.ts'
import { addressKey, type Address, type AddressKey, type Offset } from '../../../../services/model/message.ts'
import { draft, LogRecorder } from '../../../engine-suite/kit.ts'
import { Random } from '../../../support/random.ts'
import { contentOf, isSealed, segmentsOf } from './files.ts'
import { readPages, type Reading } from './kit.ts'
import { systemError } from './journal/kit.ts'
import { testFolder } from '../../../support/test-folder.ts'
import { until } from '../../../support/until.ts'

const EDITS = Number(process.env['DAMAGE_EDITS'] ?? 100)
const SEED = Number(process.env['DAMAGE_SEED'] ?? 1)

// A run with many edits takes longer than the limit of one test.
t.setTimeout(60_000 + 500 * EDITS)

const RETENTION = {
  log: { maxAgeMs: 600_000, maxCount: 40 },
  inbox: { maxAgeMs: 600_000, maxCount: 12 },
  maxBytes: 24_000,
  idempotencyWindowMs: 600_000
}
const ADDRESSES: readonly Address[] = [
  { all: true }, { group: 'a' }, { group: 'b' }, { group: 'quiet' }, { client: 'c' },
  ...['1', '2', '3', '4', '5', '6'].map((user) => ({ user }))
]
const STATE_KEYS = ['k0', 'k1', 'k2', 'k3', 'k4']

const random = new Random(SEED)

/** A record of a file, found by a plain scan of an intact file. */
interface Place {
  readonly file: string
  readonly at: number
  readonly length: number
  /** End of the group of the record. */
  readonly groupEnd: number
  readonly key: AddressKey
}

/** What the intact log holds. */
interface Truth {
  readonly path: string
  readonly now: number
  /** The text of each message that was ever stored, by address and offset. */
  readonly sent: Map<string, string>
  readonly purged: Set<Offset>
  /** What a reader of each address gets from the intact log. */
  readonly read: Map<AddressKey, Reading>
  readonly places: Map<Offset, Place>
  readonly values: Map<string, Set<unknown>>
  readonly state: Map<string, unknown>
  readonly files: readonly { readonly name: string, readonly size: number, readonly isSealed: boolean }[]
  highest: Offset
}

/** The messages in all segment files of an intact folder. */
function scanPlainly (path: string): Map<Offset, Place> {
  const places = new Map<Offset, Place>()
  for (const file of segmentsOf(path)) {
    const bytes = readFileSync(join(path, file))
    const end = isSealed(join(path, file)) ? 104 + bytes.readUInt32LE(84) : bytes.length
    for (let group = 72; group < end; group += 32 + bytes.readUInt32LE(group + 12)) {
      const groupEnd = group + 32 + bytes.readUInt32LE(group + 12)
      for (let at = group + 32; at < groupEnd; at += bytes.readUInt32LE(at)) {
        if (bytes.readUInt8(at + 9) > 3) continue
        const key = bytes.toString('utf8', at + 40, at + 40 + bytes.readUInt16LE(at + 10))
        places.set(bytes.readDoubleLE(at + 16), { file, at, length: bytes.readUInt32LE(at), groupEnd, key })
      }
    }
  }
  return places
}

/**
 * Whether all segments but the newest are sealed, and a checkpoint names the newest. `damaged`: a file whose header may
 * not say that it is sealed.
 */
function isTidy (path: string, damaged?: string): boolean {
  const names = segmentsOf(path)
  const newest = names.pop()?.slice(0, 8)
  const others = readdirSync(path).filter((name) => /checkpoint|tmp/.test(name))
  return others.join() === `${newest}.checkpoint` && names.every((name) => name === damaged || isSealed(join(path, name)))
}

/**
 * Writes a log with sealed segments, a checkpoint, evictions, purges, keys and state. `isTidied`: false leaves several
 * segments unsealed, behind a checkpoint that does not name them.
 */
async function writeLog (path: string, isTidied: boolean, began = Date.UTC(2026, 0, 1)): Promise<Truth> {
  let now = began
  let canTidy = true
  const disk = {
    ...DISK,
    open: (file: string, flags: string, mode?: number) => {
      if (!canTidy && file.endsWith('.tmp')) throw systemError('ENOSPC')
      return DISK.open(file, flags, mode)
    }
  }
  const place = { path, log: new LogRecorder(), segmentBytes: 4000, hotBytes: 0, disk }
  const engine = await openFileEngine({ ...RETENTION, now: () => now }, place)
  const sent = new Map<string, string>()
  const purged = new Set<Offset>()
  const values = new Map<string, Set<unknown>>(STATE_KEYS.map((key) => [key, new Set([undefined])]))
  let highest = 0
  const append = async (n: number): Promise<void> => {
    const address = ADDRESSES[n % 23 === 0 ? 3 : n % 7 === 0 ? random.below(ADDRESSES.length) : 4 + random.below(7)] ?? { all: true }
    const text = `${n}:`.padEnd(20 + random.below(n % 50 === 0 ? 3000 : 150), 'x')
    const options = { ...(n % 5 === 0 ? { key: `key ${n}` } : {}), ...(n % 11 === 0 ? { ttl: n % 2 === 0 ? 1 : 500 } : {}) }
    const { offset, stored } = await engine.append(draft(text, { address, ...options, keep: n % 13 !== 0 }))
    if (stored) sent.set(`${addressKey(address)} ${offset}`, text)
    highest = Math.max(highest, offset)
  }
  const work = async (from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n++) {
      now += 20
      await (n % 6 === 0 ? Promise.all([append(n), append(n + 10_000), append(n + 20_000)]) : append(n))
      if (n % 40 === 39) {
        const address = random.oneOf(ADDRESSES)
        for (const offset of (await readPages(engine, address, 0)).messages.keys()) purged.add(offset)
        await engine.purge(address)
      }
      if (n % 9 !== 0) continue
      const key = random.oneOf(STATE_KEYS)
      values.get(key)?.add(n)
      await engine.state.update([key], () => n, 3_600_000)
    }
  }
  await work(0, 330)
  await until(() => isTidy(path), 'the sealed files')
  canTidy = isTidied
  await work(330, 440)
  if (isTidied) await until(() => isTidy(path), 'the sealed files')
  const read = new Map<AddressKey, Reading>()
  for (const address of ADDRESSES) read.set(addressKey(address), await readPages(engine, address, 0))
  const state = new Map<string, unknown>()
  for (const key of STATE_KEYS) state.set(key, await engine.state.get([key]))
  await engine.close()
  const files = readdirSync(path).map((name) => {
    const bytes = readFileSync(join(path, name))
    return { name, size: bytes.length, isSealed: name.endsWith('.seg') && isSealed(join(path, name)) }
  })
  return { path, now, sent, purged, read, places: scanPlainly(path), values, state, files, highest }
}

/** A change of one file. */
interface Edit {
  readonly what: string
  readonly file: string
  readonly isSealed: boolean
  /** Whether purged messages may return: their purge, or what the checkpoint says about them, can be lost. */
  readonly canRevive: boolean
  /** Messages from here on may look like a tail that was never acknowledged: only a cut of the newest file. */
  readonly tornFrom: number
}

/** Changes one file of a folder at random. */
function damage (folder: string, { files }: Truth): Edit {
  const segments = files.filter(({ name }) => name.endsWith('.seg'))
  const others = files.filter(({ name }) => !name.endsWith('.seg'))
  const newest = segments.at(-1)
  const isNamed = others.some(({ name }) => name === newest?.name.replace('seg', 'checkpoint'))
  const { name: file, size, isSealed } = random.oneOf([
    random.oneOf(segments.filter((one) => one.isSealed)), random.oneOf(segments.filter((one) => !one.isSealed)),
    random.oneOf(segments.slice(0, 2)), random.oneOf(segments.slice(-2)), random.oneOf(others), random.oneOf(segments)
  ])
  const path = join(folder, file)
  const bytes = readFileSync(path)
  const from = random.oneOf([
    () => random.below(Math.min(72, size)), () => random.below(size), () => Math.max(0, size - 1 - random.below(40)),
    () => Math.max(0, size - 1 - random.below(4096)), () => random.below(Math.min(size, 300))
  ])()
  const length = 1 + random.below(random.oneOf([8, 64, 600, 6000]))
  const part = bytes.subarray(from, from + length)
  const canRevive = file.endsWith('.seg') && !isSealed
  const result = { file, isSealed, canRevive, tornFrom: Infinity }
  switch (random.below(6)) {
    case 0:
      rmSync(path)
      // A file that no other file names was perhaps never there.
      return { ...result, canRevive: !isSealed, what: `remove ${file}`, tornFrom: file === newest?.name && !isNamed ? 0 : Infinity }
    case 1:
      writeFileSync(path, bytes.subarray(0, from))
      return { ...result, canRevive: !isSealed, what: `cut ${file} at ${from}`, tornFrom: file === newest?.name ? from : Infinity }
    case 2:
      part.fill(0)
      break
    case 3:
      for (let at = 0; at < part.length; at++) part[at] = random.below(256)
      break
    default: {
      const bit = 1 << random.below(8)
      bytes.writeUInt8(bytes.readUInt8(from) ^ bit, from)
      writeFileSync(path, bytes)
      return { ...result, what: `flip bit ${bit} of ${file} at ${from}` }
    }
  }
  writeFileSync(path, bytes)
  return { ...result, what: `overwrite ${part.length} bytes of ${file} at ${from}` }
}

/** Opens a damaged folder, and returns each promise that the log breaks. */
async function check (folder: string, truth: Truth, edit: Edit, isRolling: boolean): Promise<string[]> {
  const broken: string[] = []
  const sent = new Map(truth.sent)
  let { highest } = truth
  const place = { path: folder, log: new LogRecorder(), hotBytes: 0, ...(isRolling ? { segmentBytes: 1500 } : {}) }
  const offsets = [...truth.places.keys()].sort((a, b) => a - b)
  for (const run of isRolling ? [1, 2, 3] : [1, 2]) {
    const now = truth.now + run
    const engine = await openFileEngine({ ...RETENTION, now: () => now }, place)
    for (const address of ADDRESSES) {
      const key = addressKey(address)
      for (const after of [0, random.oneOf(offsets), random.oneOf(offsets)]) {
        const { messages, gapUpTo, problems } = await readPages(engine, address, after)
        broken.push(...problems.map((problem) => `run ${run}: ${key}: ${problem}`))
        for (const [offset, text] of messages) {
          if (sent.get(`${key} ${offset}`) !== text) broken.push(`run ${run}: wrong message ${offset} for ${key}`)
          if (!edit.canRevive && truth.purged.has(offset)) broken.push(`run ${run}: purged message ${offset} for ${key}`)
        }
        for (const offset of truth.read.get(key)?.messages.keys() ?? []) {
          if (offset <= after || messages.has(offset) || gapUpTo >= offset) continue
          const found = truth.places.get(offset)
          const isTorn = found?.file === edit.file && found.groupEnd > edit.tornFrom
          if (!isTorn) broken.push(`run ${run}: no gap up to ${offset} for ${key} after ${after}: ${gapUpTo}`)
        }
      }
    }
    for (const key of STATE_KEYS) {
      const value = await engine.state.get([key])
      const isPossible = edit.isSealed ? value === truth.state.get(key) : truth.values.get(key)?.has(value)
      if (isPossible !== true) broken.push(`run ${run}: state ${key} is ${String(value)}`)
    }
    for (const address of isRolling ? [...ADDRESSES, ...ADDRESSES] : ADDRESSES.slice(0, 3)) {
      const text = `run ${run} `.padEnd(100, 'y')
      const { offset, stored } = await engine.append(draft(text, { address }))
      if (offset <= highest) broken.push(`run ${run}: offset ${offset} is not above ${highest}`)
      if (!stored) broken.push(`run ${run}: not stored`)
      highest = Math.max(highest, offset)
      sent.set(`${addressKey(address)} ${offset}`, text)
    }
    if (isRolling) await until(() => isTidy(folder, edit.file), 'the sealed files')
    await engine.close()
  }
  return broken
}

const logs = testFolder(t)
const truths = [await writeLog(join(logs, 'tidy'), true), await writeLog(join(logs, 'untidy'), false)] as const

t.test('the log under test has files of all kinds, and each living message is in one of them', async (t) => {
  const [, truth] = truths
  const segments = truth.files.filter(({ name }) => name.endsWith('.seg'))
  t.ok(segments.filter(({ isSealed }) => isSealed).length >= 3)
  t.ok(segments.filter(({ isSealed }) => !isSealed).length >= 3)
  t.equal(truth.files.filter(({ name }) => name.endsWith('.checkpoint')).length, 1)
  t.ok(truth.purged.size > 10)
  const living = [...truth.read].flatMap(([key, { messages }]) => [...messages.keys()].map((offset) => ({ key, offset })))
  t.ok(living.length > 80)
  t.same(living.filter(({ key, offset }) => truth.places.get(offset)?.key !== key), [])
})

t.test('each kind of damage gives a gap, and never a wrong message', async (t) => {
  const broken: string[] = []
  const copies = testFolder(t)
  for (let n = 0; n < EDITS; n++) {
    const folder = join(copies, `${n}`)
    const truth = random.oneOf(truths)
    cpSync(truth.path, folder, { recursive: true })
    const began = random.state
    const edit = damage(folder, truth)
    const found = await check(folder, truth, edit, n % 10 === 9).catch((error: unknown) => [error instanceof Error ? String(error.stack) : String(error)])
    if (found.length > 0) broken.push(`${edit.what} (${began}, ${n}): ${found.length} ${found.slice(0, 3).join('; ')}`)
    rmSync(folder, { recursive: true })
  }
  t.same(broken, [])
})

t.test('a sealed file with a damaged footer and a damaged record gives no purged message back', async (t) => {
  const [truth] = truths
  const kept: Offset[] = []
  const broken: unknown[] = []
  const copies = testFolder(t)
  for (const { name, size } of truth.files.filter(({ isSealed }) => isSealed)) {
    for (const [offset, place] of [...truth.places].filter(([, { file }]) => file === name)) {
      const folder = join(copies, `${offset}`)
      cpSync(truth.path, folder, { recursive: true })
      const bytes = readFileSync(join(folder, name))
      for (const at of [size - 10, place.at + 20]) bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
      writeFileSync(join(folder, name), bytes)
      const engine = await openFileEngine({ ...RETENTION, now: () => truth.now }, { path: folder, log: new LogRecorder(), hotBytes: 0 })
      for (const address of ADDRESSES) {
        const intact = truth.read.get(addressKey(address))
        const { messages, gapUpTo } = await readPages(engine, address, 0)
        const key = addressKey(address)
        const wrong = [...messages].filter(([offset, text]) => truth.purged.has(offset) || truth.sent.get(`${key} ${offset}`) !== text)
        const missed = [...intact?.messages ?? []].filter(([offset]) => !messages.has(offset) && gapUpTo < offset)
        if (wrong.length + missed.length > 0) broken.push({ damaged: offset, wrong, missed })
        for (const offset of messages.keys()) if (truth.places.get(offset)?.file === name) kept.push(offset)
      }
      await engine.close()
      rmSync(folder, { recursive: true })
    }
  }
  t.same(broken, [])
  t.ok(kept.length > 100, 'messages of the file are read')
})

t.test('a damaged record of a sealed file is a gap for its address alone', async (t) => {
  const [truth] = truths
  const copies = testFolder(t)
  const living = [...truth.read.values()].flatMap(({ messages }) => [...messages.keys()])
  const sealed = new Set(truth.files.filter(({ isSealed }) => isSealed).map(({ name }) => name))
  const candidates = living.filter((offset) => sealed.has(truth.places.get(offset)?.file ?? ''))
  for (let n = 0; n < 10; n++) {
    const lost = random.oneOf(candidates)
    const place = truth.places.get(lost)
    if (place === undefined) throw new Error('The message is in no file.')
    const folder = join(copies, `${n}`)
    cpSync(truth.path, folder, { recursive: true })
    const bytes = readFileSync(join(folder, place.file))
    const at = place.at + random.below(place.length)
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at)
    writeFileSync(join(folder, place.file), bytes)
    for (const run of [1, 2]) {
      const engine = await openFileEngine({ ...RETENTION, now: () => truth.now }, { path: folder, log: new LogRecorder(), hotBytes: 0 })
      for (const address of ADDRESSES) {
        const key = addressKey(address)
        const intact = truth.read.get(key)
        const { messages, gapUpTo } = await readPages(engine, address, 0)
        const expected = [...intact?.messages ?? []].filter(([offset]) => offset !== lost)
        t.same([...messages], expected, `run ${run}: ${key}`)
        t.equal(gapUpTo, Math.max(intact?.gapUpTo ?? 0, key === place.key ? lost : 0), `run ${run}: gap of ${key}`)
      }
      await engine.close()
    }
  }
})

t.test('files of two logs in one folder are refused, and left as they are', async (t) => {
  const [truth] = truths
  const other = await writeLog(join(testFolder(t), 'other'), true, Date.UTC(2026, 0, 2))
  const newest = (files: Truth['files'], ending: string) => files.findLast(({ name }) => name.endsWith(ending))?.name ?? ''
  for (const ending of ['.seg', '.checkpoint']) {
    const folder = join(t.testdirName, 'mixed')
    cpSync(truth.path, folder, { recursive: true })
    const name = newest(other.files, ending)
    cpSync(join(other.path, name), join(folder, name))
    const before = contentOf(folder)
    await t.rejects(openFileEngine({ ...RETENTION, now: () => truth.now }, { path: folder, log: new LogRecorder() }), {
      code: 'HUB_STORE_FAILED',
      message: /holds files of different logs \(\d+\.seg and \d+\.(?:seg|checkpoint)\): move the files of the other log away, or choose another folder/
    })
    t.same(contentOf(folder), before)
    rmSync(folder, { recursive: true })
  }
})

t.test('when offsets do not rise from file to file, reads end, and give each offset once and in order', async (t) => {
  const copies = testFolder(t)
  // Both logs began at the same moment: their headers have the same origin.
  for (const [n, order] of [truths, truths.toReversed()].entries()) {
    const folder = join(copies, `${n}`)
    for (const truth of order) cpSync(truth.path, folder, { recursive: true })
    for (const run of [1, 2]) {
      const engine = await openFileEngine({ ...RETENTION, now: () => truths[0].now }, { path: folder, log: new LogRecorder(), hotBytes: 0 })
      for (const address of ADDRESSES) {
        const { problems } = await readPages(engine, address, 0)
        t.same(problems, [], `run ${run}: ${addressKey(address)}`)
      }
      await engine.close()
    }
  }
})
