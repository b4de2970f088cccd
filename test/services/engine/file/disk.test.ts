// Disks that are full or fail, and kills between the steps of the housekeeping. Takes over 10 s on a busy machine: each
// copy of a folder is opened.
import fs, { fstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import type { Engine } from '../../../../services/engine/engine.ts'
import { DISK, type Disk } from '../../../../services/engine/file/journal/disk.ts'
import type { Retention } from '../../../../services/engine/local/retention.ts'
import type { Address, Offset } from '../../../../services/model/message.ts'
import { ALL, AMPLE_RETENTION, BOB, draft, NEWS, numbers, PLENTY, readAll, texts } from '../../../engine-suite/kit.ts'
import { until } from '../../../support/until.ts'
import { bytesOf, hasNewestCheckpoint, isSealed, segmentsOf } from './files.ts'
import { FaultyDisk, systemError } from './journal/kit.ts'
import { openEngine } from './kit.ts'
import { testFolder } from '../../../support/test-folder.ts'

/** Appends a text. The pauses of the journal do not keep the process alive. */
async function append (engine: Engine, text: string, address: Address = ALL): Promise<{ offset: Offset, stored: boolean }> {
  const alive = setInterval(() => {}, 1000)
  const { offset, stored } = await engine.append(draft(text, { address }))
  clearInterval(alive)
  return { offset, stored }
}

/** A disk that cannot create files with names that end like this, until `isFull` is false. */
function fullFor (ending: string) {
  const state = { isFull: true, refused: 0 }
  const disk: Disk = {
    ...DISK,
    open: async (path, flags, mode) => {
      if (!state.isFull || !path.endsWith(ending)) return DISK.open(path, flags, mode)
      state.refused++
      throw systemError('ENOSPC')
    }
  }
  return { state, disk }
}

t.test('on a full disk messages are counted as lost, also right after a restart, and storing resumes', async (t) => {
  const path = testFolder(t)
  const disk = new FaultyDisk()
  const first = await openEngine(t, path, {}, { disk })
  t.ok((await append(first, 'before')).stored)
  t.ok((await append(first, 'for bob', BOB)).stored)
  disk.fault = (call) => { if (call === 'write') return 20 }
  const lost = [await append(first, 'short write'), await append(first, 'refused')]
  disk.fault = (call) => { if (call === 'write') throw systemError('ENOSPC') }
  lost.push(await append(first, 'no space'))
  t.same(lost.map(({ stored }) => stored), [false, false, false])
  t.match(first.problem, /its disk is full/)
  const evicted = { count: 3, upTo: lost.at(-1)?.offset }
  t.same((await first.summary({ address: ALL, after: 0 })).evicted, evicted)
  await t.rejects(first.state.update(['k'], () => 1, 1000), { code: 'HUB_STORE_FAILED' })
  disk.fault = () => undefined
  await until(() => first.problem === null, 'the recovery')
  t.ok((await append(first, 'after')).stored)
  await first.close()

  const second = await openEngine(t, path)
  t.same(await readAll(second, [ALL]), { texts: ['before', 'after'], hasGap: true })
  t.same((await second.summary({ address: ALL, after: 0 })).evicted, evicted)
  t.same(await readAll(second, [BOB]), { texts: ['for bob'], hasGap: false })
  t.equal(await second.state.get(['k']), undefined)
})

t.test('messages and values that fail while a checkpoint is written have their gap and their former value after a restart', async (t) => {
  const path = testFolder(t)
  const disk = new FaultyDisk()
  const first = await openEngine(t, path, {}, { disk, segmentBytes: 400 })
  await first.state.update(['k'], () => 'former', 3_600_000)
  await first.state.update(['removed'], () => 'former', 3_600_000)
  for (const n of numbers(4)) await append(first, n.padEnd(100, 'x'))
  await until(() => readdirSync(path).some((name) => name.endsWith('.checkpoint')), 'the first checkpoint')
  const before = [...(await first.read([{ address: ALL, after: 0 }], PLENTY)).messages]
  // Fails the first group of the next segment, when the checkpoint for this segment has been taken.
  const failed: number[] = []
  disk.fault = (call, fd, position) => {
    const isSegment = disk.paths.get(fd)?.endsWith('.seg') === true
    if (call !== 'write' || !isSegment || position !== 72 || failed.length > 0) return
    failed.push(fd)
    throw systemError('EIO')
  }
  const lost: Offset[] = []
  const lostKeys: string[] = []
  while (failed.length === 0) {
    const updates = [first.state.update(['k'], () => `value ${lost.length} ${before.length}`, 3_600_000), first.state.update(['removed'], (present) => present === undefined ? 'again' : undefined, 3_600_000)]
    const appended = await first.append(draft('y'.repeat(100), { key: `key ${before.length}` }))
    const states = await Promise.allSettled(updates)
    if (appended.stored) {
      before.push(...(await first.read([{ address: ALL, after: appended.offset - 1 }], PLENTY)).messages)
    } else {
      lost.push(appended.offset)
      lostKeys.push(`key ${before.length}`)
      t.same(states.map(({ status }) => status), ['rejected', 'rejected'])
    }
  }
  const state = [await first.state.get(['k']), await first.state.get(['removed'])]
  disk.fault = () => undefined
  await until(() => first.problem === null, 'the recovery')
  const summary = await first.summary({ address: ALL, after: 0 })
  t.same(summary.evicted, { count: lost.length, upTo: lost.at(-1) })
  await until(() => hasNewestCheckpoint(path), 'the checkpoint')
  await first.close()

  const second = await openEngine(t, path)
  t.same(await second.summary({ address: ALL, after: 0 }), summary)
  t.same((await second.read([{ address: ALL, after: 0 }], PLENTY)).messages.map(({ offset }) => offset), before.map(({ offset }) => offset))
  t.same([await second.state.get(['k']), await second.state.get(['removed'])], state)
  for (const key of lostKeys) {
    const { offset, stored } = await second.append(draft('y'.repeat(100), { key }))
    t.same({ offset, stored }, { offset: lost[0], stored: false }, 'a repetition receives the answer of the lost message')
  }
})

for (const times of [1, 3]) {
  t.test(`what a sync fails to write is not stored and not read again, when ${times} in a row fail`, async (t) => {
    const path = testFolder(t)
    const disk = new FaultyDisk()
    const first = await openEngine(t, path, {}, { disk, hotBytes: 0 })
    t.ok((await append(first, 'before')).stored)
    let failures = times
    disk.fault = (call) => { if (call === 'fdatasync' && failures-- > 0) throw systemError('EIO') }
    const lost = await append(first, 'lost')
    t.notOk(lost.stored)
    await until(() => first.problem === null, 'the recovery')
    t.ok((await append(first, 'after')).stored)
    t.ok(segmentsOf(path).length > 1, 'a new segment follows')
    const expected = { texts: ['before', 'after'], hasGap: true }
    t.same(await readAll(first, [ALL]), expected)
    await first.close()
    const second = await openEngine(t, path, {}, { hotBytes: 0 })
    t.same(await readAll(second, [ALL]), expected)
    t.same((await second.summary({ address: ALL, after: 0 })).evicted, { count: 1, upTo: lost.offset })
  })
}

t.test('the files have at most twice the size of the log, and the newest segment', async (t) => {
  const path = testFolder(t)
  const [maxBytes, segmentBytes] = [60_000, 10_000]
  const limits = { maxBytes, inbox: { maxAgeMs: 1e9, maxCount: 5 } }
  const engine = await openEngine(t, path, limits, { segmentBytes })
  // Half of the messages live and are small; the large ones of the others leave by the count of their inbox.
  for (let n = 0; n < 400; n++) {
    await append(engine, 'small')
    await append(engine, 'x'.repeat(1000), BOB)
  }
  const bytes = (): number => segmentsOf(path).reduce((sum, name) => sum + bytesOf(join(path, name)).length, 0)
  await until(() => bytes() <= 2 * maxBytes + segmentBytes + 2000, 'the bound of the files')
  t.ok(segmentsOf(path).length > 3)
  t.equal((await engine.summary({ address: ALL, after: 0 })).count, 400)
})

for (const [length, count] of [[100, 60_000], [1000, 10_000], [20_000, 1000]] as const) {
  t.test(`a log of ${count} messages of ${length} bytes uses maxBytes, and its files are not much larger`, async (t) => {
    const path = testFolder(t)
    const [maxBytes, segmentBytes] = [6 * 1024 ** 2, 1024 ** 2]
    const engine = await openEngine(t, path, { maxBytes }, { segmentBytes })
    for (let n = 0; n < count; n += 500) {
      await Promise.all(numbers(500).map((k) => append(engine, k.padEnd(length, '.'), { group: `${Number(k) % 50}` })))
    }
    const bytes = (): number => segmentsOf(path).reduce((sum, name) => sum + bytesOf(join(path, name)).length, 0)
    await until(() => bytes() <= 2 * maxBytes + 2 * segmentBytes, 'the bound of the files')
    const summaries = await Promise.all(numbers(50).map((group) => engine.summary({ address: { group }, after: 0 })))
    const kept = summaries.reduce((sum, summary) => sum + summary.count, 0)
    t.ok(kept < count && kept * (length + 100) > 0.9 * maxBytes, `${kept} messages`)
  })
}

t.test('losses around a purge are counted exactly after a restart, also beside a checkpoint', async (t) => {
  const path = testFolder(t)
  const limits = { maxBytes: 5000 }
  // Each group begins a segment.
  let engine = await openEngine(t, path, limits, { segmentBytes: 100 })
  const lose = () => engine.append(draft('x'.repeat(5000), { address: BOB }))
  for (let round = 0; round < 12; round++) {
    for (const n of numbers(2)) await append(engine, n)
    await until(() => hasNewestCheckpoint(path), 'the checkpoint')
    // One group: the checkpoint of its segment has its effects, and a restart replays it.
    const work = [
      ...numbers(round % 3).map(lose), engine.purge(BOB), ...numbers(round % 4).map(lose),
      engine.append(draft('kept', { address: BOB })), ...(round % 2 === 0 ? [lose()] : [])
    ]
    await Promise.all(work)
    const summary = await engine.summary({ address: BOB, after: 0 })
    await engine.close()
    engine = await openEngine(t, path, limits, { segmentBytes: 100 })
    t.same(await engine.summary({ address: BOB, after: 0 }), summary, `round ${round}`)
  }
})

/** Runs a function while each synchronous sync of a segment calls `act` instead. Returns the names of these segments. */
async function withSyncs (path: string, act: (fd: number) => void, run: () => Promise<void>): Promise<string[]> {
  const { fdatasyncSync } = fs
  const synced: string[] = []
  Object.assign(fs, {
    fdatasyncSync: (fd: number): void => {
      const { ino } = fstatSync(fd)
      const name = segmentsOf(path).find((one) => statSync(join(path, one), { throwIfNoEntry: false })?.ino === ino)
      if (name === undefined) return fdatasyncSync(fd)
      synced.push(name)
      act(fd)
    }
  })
  syncBuiltinESMExports()
  await run().finally(() => {
    Object.assign(fs, { fdatasyncSync })
    syncBuiltinESMExports()
  })
  return synced
}

for (const { title, segmentBytes } of [
  { title: 'the only file', segmentBytes: 10_000 }, { title: 'the newest of several unsealed files', segmentBytes: 300 }
]) {
  t.test(`a start syncs ${title} once before its messages count as stored; when that fails, readers have a gap`, async (t) => {
    const path = testFolder(t)
    // Without a checkpoint, no file is sealed.
    const written = await openEngine(t, path, {}, { disk: fullFor('.checkpoint.tmp').disk, segmentBytes })
    for (const n of numbers(6)) await append(written, n.padEnd(100, 'x'))
    await written.close()
    const newest = segmentsOf(path).at(-1)
    const { fdatasyncSync } = fs
    for (const isFailing of [false, true]) {
      const act = isFailing ? () => { throw systemError('EIO') } : fdatasyncSync
      const synced = await withSyncs(path, act, async () => {
        const engine = await openEngine(t, path, {}, { disk: fullFor('.seg').disk })
        t.equal((await engine.read([{ address: BOB, after: 0 }], PLENTY)).gapUpTo > 0, isFailing)
        await engine.close()
      })
      t.same(synced.filter((name) => name === newest), [newest])
    }
  })
}

t.test('the gap for a damaged end outlives a kill before it is on the disk', async (t) => {
  const path = testFolder(t)
  const written = await openEngine(t, path)
  for (const text of ['one', 'two', 'three']) await append(written, text)
  await written.close()
  const file = join(path, '00000001.seg')
  const bytes = readFileSync(file)
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  writeFileSync(file, bytes)
  for (let run = 0; run < 2; run++) {
    const disk = new FaultyDisk()
    // The header of the next file is written, and no group behind it.
    disk.fault = (call, _fd, position) => {
      if (call === 'write' && position >= 72) throw systemError('EIO')
    }
    const killed = await openEngine(t, path, {}, { disk })
    t.same(await readAll(killed, [ALL]), { texts: ['one', 'two'], hasGap: true })
    await until(() => killed.problem !== null, 'the failed write of the gap')
    await killed.close()
  }
  for (let run = 0; run < 2; run++) {
    const engine = await openEngine(t, path)
    t.same(await readAll(engine, [ALL]), { texts: ['one', 'two', ...numbers(run)], hasGap: true })
    t.same(await readAll(engine, [BOB]), { texts: [], hasGap: true })
    await append(engine, '0')
    await engine.close()
  }
})

t.test('appends go on while no checkpoint can be written, and segments are sealed later', async (t) => {
  const path = testFolder(t)
  const { state, disk } = fullFor('.checkpoint.tmp')
  const engine = await openEngine(t, path, {}, { disk, segmentBytes: 500 })
  const sent = numbers(20).map((n) => n.padEnd(100, 'x'))
  for (const text of sent.slice(0, 15)) t.ok((await append(engine, text)).stored)
  await until(() => state.refused > 0, 'the failed checkpoint')
  t.same(segmentsOf(path).filter((name) => isSealed(join(path, name))), [])
  t.equal(engine.problem, null)
  state.isFull = false
  for (const text of sent.slice(15)) t.ok((await append(engine, text)).stored)
  await until(() => segmentsOf(path).slice(0, -1).every((name) => isSealed(join(path, name))), 'the sealed files')
  t.same(await readAll(engine, [ALL]), { texts: sent, hasGap: false })
  await engine.close()
  t.same(await readAll(await openEngine(t, path), [ALL]), { texts: sent, hasGap: false })
})

t.test('a segment that cannot be sealed stays as it is, and the others are sealed', async (t) => {
  const folder = testFolder(t)
  const [path, copy] = [join(folder, 'log'), join(folder, 'copy')]
  const engine = await openEngine(t, path, {}, { segmentBytes: 500 })
  mkdirSync(join(path, '00000001.seg.tmp'))
  const sent = numbers(20).map((n) => n.padEnd(100, 'x'))
  for (const text of sent.slice(0, 15)) await append(engine, text)
  await until(() => isSealed(join(path, '00000002.seg')), 'the second segment')
  t.notOk(isSealed(join(path, '00000001.seg')))
  t.same(await readAll(engine, [ALL]), { texts: sent.slice(0, 15), hasGap: false })

  // Without a checkpoint, a start finds the first segment unsealed in front of sealed ones.
  rmdirSync(join(path, '00000001.seg.tmp'))
  copyFiles(path, copy)
  for (const name of readdirSync(copy)) if (name.endsWith('.checkpoint')) rmSync(join(copy, name))
  t.same(await readAll(await openEngine(t, copy), [ALL]), { texts: sent.slice(0, 15), hasGap: true })

  for (const text of sent.slice(15)) await append(engine, text)
  await until(() => isSealed(join(path, '00000001.seg')), 'the first segment')
  t.same(await readAll(engine, [ALL]), { texts: sent, hasGap: false })
})

/** Copies the files of a log as they are, without the lock. */
function copyFiles (from: string, to: string): void {
  mkdirSync(to)
  for (const name of readdirSync(from).filter((one) => !one.endsWith('.sock'))) {
    try {
      writeFileSync(join(to, name), readFileSync(join(from, name)))
    } catch {
      // Renamed or removed meanwhile by a thread: the copy is of the moment after.
    }
  }
}

const ADDRESSES = [ALL, BOB, NEWS, { user: 'eve' }]

/** What the readers of an address get. */
interface Content {
  readonly texts: readonly string[]
  readonly evicted: number
}

/** What the readers of all addresses get, and a value of the state. */
async function contentOf (engine: Engine): Promise<{ readonly of: readonly Content[], readonly value: unknown }> {
  const content: Content[] = []
  for (const address of ADDRESSES) {
    const { messages } = await engine.read([{ address, after: 0 }], PLENTY)
    const { evicted } = await engine.summary({ address, after: 0 })
    content.push({ texts: texts(messages), evicted: evicted.count })
  }
  return { of: content, value: await engine.state.get(['k']) }
}

async function killEverywhere (t: Test, retention: Partial<Retention>): Promise<void> {
  const path = testFolder(t, { log: {} })
  const folder = join(path, 'log')
  const disk = new FaultyDisk()
  const engine = await openEngine(t, folder, retention, { disk, segmentBytes: 1200, hotBytes: 0 })
  const copies: Array<{ readonly to: string, readonly operation: number }> = []
  let [operation, calls] = [0, 0]
  disk.fault = (call) => {
    if (call === 'ftruncate' || (call === 'write' || call === 'fdatasync') && calls++ % 40 !== 0) return
    if (copies.length >= 70) return
    const to = join(path, `${copies.length} ${call}`)
    copyFiles(folder, to)
    copies.push({ to, operation })
  }
  const contents = [await contentOf(engine)]
  for (operation = 1; operation <= 90; operation++) {
    const address = ADDRESSES[operation * 7 % 4] ?? ALL
    if (operation % 17 === 0) await engine.purge(address)
    else if (operation % 5 === 0) await engine.state.update(['k'], () => operation, 3_600_000)
    else await engine.append(draft(`${operation}`.padEnd(100, 'x'), { address, key: `${operation}` }))
    contents[operation] = await contentOf(engine)
  }
  await engine.close()
  const wrong: string[] = []
  for (const { to, operation } of copies) {
    const copy = await openEngine(t, to, retention, { hotBytes: 0 })
    const content = await contentOf(copy)
    const [before, after] = contents.slice(operation - 1, operation + 1)
    const isEither = [before, after].some((whole) => isDeepStrictEqual(content, whole))
    if (!isEither) wrong.push(`${to} in operation ${operation}: ${JSON.stringify(content)} behind ${JSON.stringify(before)}`)
    await copy.close()
  }
  t.same(wrong, [])
  t.ok(copies.length >= 50, `${copies.length} copies`)
}

t.test('a kill at any step of the housekeeping loses nothing that was acknowledged, and evictions and purges stay exact', async (t) => {
  const now = () => Date.UTC(2026, 0, 1)
  await killEverywhere(t, { ...AMPLE_RETENTION, log: { maxAgeMs: 1e9, maxCount: 6 }, inbox: { maxAgeMs: 1e9, maxCount: 4 }, now })
})
