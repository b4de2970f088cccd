import { setImmediate as nextTurn } from 'node:timers/promises'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { until } from '../../../../support/until.ts'
import t from 'tap'
import { Segment } from '../../../../../services/engine/file/journal/segment.ts'
import { message, openJournal, pushAll, readFolder, readNaively, systemError } from './kit.ts'
import { testFolder } from '../../../../support/test-folder.ts'

const offsetsFrom = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index)
const messagesFrom = (first: number, count: number, size?: number) => offsetsFrom(first, count).map((offset) => message(offset, size))
const HEADER = 72
const GROUP = 32

t.test('records of one turn share one write and one sync', async (t) => {
  const { journal, disk, folder } = openJournal(t)
  const places: Array<[number, number]> = []
  let isNotified = false
  const records = messagesFrom(1001, 10).map((record) => ({
    ...record,
    written: (segment: Segment, position: number) => {
      places.push([record.offset, position])
      isNotified = segment.syncedLength === segment.length && position < segment.length
    }
  }))
  const groups = pushAll(journal, records)
  t.equal(groups.length, 1)
  t.equal(await groups[0]?.written, true)
  t.ok(isNotified, 'the synced length includes the records before they are notified')
  t.same(disk.take(), ['open', 'write', 'fdatasync', 'open', 'fsync', 'close', 'write', 'fdatasync'])
  const length = records[0]?.bytes.length ?? 0
  t.same(places, records.map(({ offset }, index) => [offset, HEADER + GROUP + index * length]))
  t.same(readFolder(folder).map(({ offsets }) => offsets), [offsetsFrom(1001, 10)])
  t.equal(statSync(join(folder, '00000001.seg')).mode & 0o777, 0o600)
})

t.test('records that arrive during a write share the next group', async (t) => {
  const { journal, disk, folder } = openJournal(t)
  const late: Array<Promise<boolean>> = []
  disk.fault = (call) => {
    if (call !== 'fdatasync' || late.length > 0) return
    late.push(...pushAll(journal, messagesFrom(1002, 20)).map(({ written }) => written))
  }
  t.equal(await journal.push(message(1001))?.written, true)
  t.same(await Promise.all(late), [true])
  t.same(readFolder(folder).map(({ offsets, groups }) => [offsets.length, groups.length]), [[21, 2]])
})

t.test('a group has at most 500 records and 2 MiB, unless one record is larger', async (t) => {
  const { journal, folder } = openJournal(t)
  const small = pushAll(journal, messagesFrom(1001, 501, 10))
  const large = pushAll(journal, messagesFrom(2001, 3, 900 * 1024))
  const huge = pushAll(journal, messagesFrom(3001, 2, 5 * 1024 ** 2))
  t.same([small, large, huge].map((groups) => groups.length), [2, 2, 2])
  t.ok((await Promise.all([...small, ...large, ...huge].map(({ written }) => written))).every(Boolean))
  t.same(readFolder(folder).flatMap(({ offsets }) => offsets), [
    ...offsetsFrom(1001, 501), ...offsetsFrom(2001, 3), ...offsetsFrom(3001, 2)
  ])
})

t.test('more than 128 MiB in flight are refused', async (t) => {
  const { journal } = openJournal(t, { isSynced: false })
  const { bytes } = message(1001, 1024 ** 2)
  let taken = 0
  const results: Array<Promise<boolean>> = []
  for (; taken < 200; taken++) {
    const group = journal.push({ bytes, offset: 1001 + taken })
    if (group === null) break
    results.push(group.written)
  }
  t.equal(taken, 127, 'heads count too')
  t.ok((await Promise.all(results)).every(Boolean))
  t.not(journal.push({ bytes, offset: 2001 }), null, 'the bound counts only records in flight')
})

t.test('a full segment is followed by one that names its length and last offset', async (t) => {
  const { journal, folder, segments, disk } = openJournal(t, { segmentBytes: () => 2000 })
  for (let offset = 1001; offset <= 1030; offset++) await journal.push(message(offset))?.written
  const files = readFolder(folder)
  t.same(files.flatMap(({ offsets }) => offsets), offsetsFrom(1001, 30))
  t.same(files.map(({ id }) => id), segments.map(({ id }) => id))
  const chain = files.slice(1).map(({ previous }) => previous)
  t.same(chain, segments.slice(0, -1).map(({ id, length, lastOffset }) => [id, length, lastOffset]))
  t.same(chain.map(([id = 0, length]) => statSync(join(folder, readdirSync(folder)[id - 1] ?? '')).size === length), chain.map(() => true))
  const roll = disk.take().join(' ')
  t.match(roll, 'open write fdatasync open fsync close write fdatasync')
})

t.test('a journal continues a segment', async (t) => {
  const first = openJournal(t)
  await journalOf(first, 1001, 5)
  await first.journal.close(1000)
  const path = join(first.folder, '00000001.seg')
  const { length = 0 } = first.segments[0] ?? {}
  const segment = Segment.resume(path, 1, length, 1005)
  t.teardown(() => segment.close())
  const second = openJournal(t, { folder: first.folder, start: segment, segmentBytes: () => length + 1 })
  await journalOf(second, 1006, 5)
  await journalOf(second, 1011, 5)
  const files = readFolder(first.folder)
  t.same(files.map(({ offsets }) => offsets), [offsetsFrom(1001, 10), offsetsFrom(1011, 5)])
  t.same(files[1]?.previous, [1, segment.length, 1010])
})

/** Writes messages as one group. */
async function journalOf ({ journal }: ReturnType<typeof openJournal>, first: number, count: number): Promise<boolean[]> {
  return Promise.all(pushAll(journal, messagesFrom(first, count)).map(({ written }) => written))
}

t.test('a short write is cut, refused with all queued groups, and the problem ends when the disk takes as much', async (t) => {
  const opened = openJournal(t)
  const { journal, disk, folder, problems } = opened
  await journalOf(opened, 1001, 5)
  let space = 3391
  disk.fault = (call, _fd, position) => {
    if (call !== 'write') return
    return Math.max(0, space - position)
  }
  const groups = pushAll(journal, messagesFrom(1006, 600))
  const failing = opened.nextProblem()
  t.same(await Promise.all(groups.map(({ written }) => written)), [false, false])
  t.match(await failing, /failed: .*took/)
  t.equal(journal.push(message(2001)), null, 'a failing journal refuses records')
  const path = join(folder, '00000001.seg')
  t.equal(statSync(path).size, opened.segments[0]?.length, 'nothing of the group is left')

  space += 5000
  const calls = disk.take().length
  while (disk.calls.length < calls + 20) await nextTurn()
  t.equal(problems.length, 1, 'space for less than what failed ends no problem')
  const recovered = opened.nextProblem()
  space = Infinity
  t.equal(await recovered, null)
  t.equal(journal.problem, null)
  t.same(await journalOf(opened, 3001, 2), [true])
  t.same(readNaively(path).offsets, [...offsetsFrom(1001, 5), 3001, 3002])
})

t.test('a disk that has only little space again does not end the problem, and the problem is reported once', async (t) => {
  const opened = openJournal(t)
  const { disk, problems } = opened
  await journalOf(opened, 1001, 5)
  const full = opened.segments[0]?.length ?? 0
  let space = 0
  disk.fault = (call, _fd, position) => call === 'write' ? Math.max(0, full + space - position) : undefined
  t.same(await journalOf(opened, 1006, 1), [false])
  space = 10_000
  disk.take()
  await until(() => disk.calls.filter((call) => call === 'write').length >= 5, 'further attempts')
  t.equal(problems.length, 1)
  const end = opened.nextProblem()
  space = 4 * 1024 ** 2
  t.equal(await end, null)
  t.same(await journalOf(opened, 1007, 1), [true])
})

t.test('a full disk while a segment is created leaves no file and is repaired', async (t) => {
  const opened = openJournal(t, { segmentBytes: () => 100 })
  await journalOf(opened, 1001, 1)
  let isFull = true
  opened.disk.fault = (call) => {
    if (isFull && (call === 'write' || call === 'open')) throw systemError('ENOSPC')
  }
  t.same(await journalOf(opened, 1002, 1), [false])
  t.same(readdirSync(opened.folder), ['00000001.seg'])
  const recovered = opened.nextProblem()
  isFull = false
  await recovered
  t.same(await journalOf(opened, 1003, 1), [true])
  t.same(readFolder(opened.folder).map(({ offsets }) => offsets), [[1001], [1003]])
})

for (const times of [1, 3]) {
  t.test(`after ${times} failed syncs the file is left alone and the next names its good length`, async (t) => {
    const opened = openJournal(t)
    const { disk, folder, segments } = opened
    await journalOf(opened, 1001, 5)
    const broken = segments[0]
    let failures = times
    const touched: string[] = []
    disk.fault = (call, fd) => {
      if (failures < times && fd === broken?.fd && (call === 'write' || call === 'fdatasync')) touched.push(call)
      if (call === 'fdatasync' && failures-- > 0) throw systemError('EIO')
    }
    const changes = [opened.nextProblem()]
    t.same(await journalOf(opened, 1006, 5), [false])
    t.equal(await changes[0], 'failed: Error: EIO')
    t.equal(await opened.nextProblem(), null)
    t.same(await journalOf(opened, 1011, 5), [true])
    t.same(touched, [])
    const files = readFolder(folder)
    t.same(files.map(({ offsets }) => offsets), [offsetsFrom(1001, 5), offsetsFrom(1011, 5)])
    t.same(files[1]?.previous, [1, broken?.length, 1005])
  })
}

t.test('when a file with a failed sync cannot be cut either, the header of the next file cuts it', async (t) => {
  const opened = openJournal(t)
  const { disk, folder, segments } = opened
  await journalOf(opened, 1001, 5)
  const fd = segments[0]?.fd
  disk.fault = (call, of) => {
    if (of === fd && (call === 'fdatasync' || call === 'ftruncate')) throw systemError('EIO')
  }
  const changes = opened.nextProblem()
  t.same(await journalOf(opened, 1006, 5), [false])
  await changes
  t.equal(await opened.nextProblem(), null)
  t.same(await journalOf(opened, 1011, 5), [true])
  t.ok(statSync(join(folder, '00000001.seg')).size > (segments[0]?.length ?? 0))
  t.same(readNaively(join(folder, '00000002.seg')).previous, [1, segments[0]?.length, 1005])
})

t.test('a group on a stuck disk is refused, and leaves the file when the disk answers', async (t) => {
  const before = openJournal(t)
  await journalOf(before, 1001, 5)
  await before.journal.close(1000)
  const { folder, segments: [start] } = before
  if (start === undefined) return t.fail('no segment')
  const opened = openJournal(t, { folder, start, stuckMs: 5 })
  const { journal, disk } = opened
  let answer: () => void = () => {}
  const stuck = new Promise<void>((resolve) => { answer = resolve })
  let isFirst = true
  disk.fault = (call) => {
    if (call !== 'fdatasync' || !isFirst) return
    isFirst = false
    return stuck
  }
  const failing = opened.nextProblem()
  t.same(await journalOf(opened, 1006, 5), [false])
  t.match(await failing, 'has not answered')
  t.equal(journal.push(message(1011)), null)
  t.equal(await journal.close(1), false, 'the disk is still busy')
  answer()
  t.equal(await journal.close(1000), true)
  t.same(readNaively(join(folder, '00000001.seg')).offsets, offsetsFrom(1001, 5))
  t.equal(statSync(join(folder, '00000001.seg')).size, start.length)
})

t.test('a journal works again after a stuck disk has answered', async (t) => {
  // Long enough for an honest write on a busy machine.
  const opened = openJournal(t, { stuckMs: 500 })
  let answer: () => void = () => {}
  const stuck = new Promise<void>((resolve) => { answer = resolve })
  opened.disk.fault = (call) => call === 'fsync' ? stuck : undefined
  t.same(await journalOf(opened, 1001, 5), [false])
  const recovered = opened.nextProblem()
  answer()
  t.equal(await recovered, null)
  t.same(await journalOf(opened, 1006, 5), [true])
  t.same(readFolder(opened.folder).map(({ offsets }) => offsets), [offsetsFrom(1006, 5)])
})

t.test('close writes queued groups and refuses later records', async (t) => {
  const { journal, folder } = openJournal(t)
  const groups = pushAll(journal, messagesFrom(1001, 1200))
  const closing = journal.close(5000)
  t.equal(journal.push(message(9001)), null)
  t.equal(await closing, true)
  t.same(await Promise.all(groups.map(({ written }) => written)), [true, true, true])
  t.equal(await journal.close(5000), true)
  t.same(readFolder(folder).flatMap(({ offsets }) => offsets), offsetsFrom(1001, 1200))
})

t.test('close refuses queued groups at its time limit', async (t) => {
  const { journal, disk } = openJournal(t)
  let answer: () => void = () => {}
  const slow = new Promise<void>((resolve) => { answer = resolve })
  disk.fault = (call) => call === 'fsync' ? slow : undefined
  const groups = pushAll(journal, messagesFrom(1001, 1200))
  t.equal(await journal.close(1), false)
  answer()
  t.same(await Promise.all(groups.map(({ written }) => written)), [true, false, false])
  t.equal(await journal.close(1000), true)
})

t.test('without sync one write is enough', async (t) => {
  const { journal, disk, folder } = openJournal(t, { isSynced: false })
  t.equal(await journal.push(message(1001))?.written, true)
  t.same(disk.take(), ['open', 'write', 'write'])
  t.same(readFolder(folder).map(({ offsets }) => offsets), [[1001]])
})

t.test('a closed segment serves the reads under way and refuses new ones', async (t) => {
  const opened = openJournal(t)
  const record = message(1001)
  await opened.journal.push(record)?.written
  await opened.journal.close(1000)
  const [segment] = opened.segments
  if (segment === undefined) return t.fail('no segment')
  const reads = [segment.read(HEADER + GROUP + 8, 100), segment.read(HEADER + GROUP + 8, 1e6)]
  segment.close()
  const expected = record.bytes.subarray(8)
  t.same(await Promise.all(reads), [expected.subarray(0, 100), expected])
  await t.rejects(segment.read(0, 1), /closed/)
})

t.test('after any failure, acknowledged records are in the files once, in order, and refused ones are not', async (t) => {
  const actions = fc.array(fc.record({
    count: fc.integer({ min: 1, max: 8 }),
    fails: fc.option(fc.constantFrom('write', 'short', 'fdatasync', 'ftruncate', 'open', 'fsync'), { freq: 2 }),
    times: fc.integer({ min: 1, max: 3 })
  }), { minLength: 1, maxLength: 12 })
  let run = 0
  await fc.assert(fc.asyncProperty(actions, async (actions) => {
    const folder = join(testFolder(t, { [`${++run}`]: {} }), `${run}`)
    const opened = openJournal(t, { folder, segmentBytes: () => 3000 })
    let offset = 1000
    const acknowledged: number[] = []
    for (const { count, fails, times } of actions) {
      let failures = times
      opened.disk.fault = (call) => {
        const isFailing = fails !== null && call === (fails === 'short' ? 'write' : fails) && failures-- > 0
        if (isFailing && fails === 'short') return 50
        if (isFailing) throw systemError('EIO')
      }
      const offsets = offsetsFrom(offset + 1, count)
      offset += count
      const groups = pushAll(opened.journal, offsets.map((one) => message(one)))
      if (await groups[0]?.written) acknowledged.push(...offsets)
      while (opened.journal.problem !== null) await opened.nextProblem()
    }
    await opened.journal.close(1000)
    for (const segment of opened.segments) segment.close()
    const found = readFolder(folder).flatMap(({ offsets }) => offsets)
    return JSON.stringify(found) === JSON.stringify(acknowledged)
  }), { numRuns: 60 })
})
