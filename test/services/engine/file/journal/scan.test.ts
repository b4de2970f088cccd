import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  encodeHeader, finishGroup, GROUP_BYTES, HEADER_BYTES, recordLength, recordOffset, recordParts, type Sealed
} from '../../../../../services/engine/file/journal/format.ts'
import { encodeFooter, packNames } from '../../../../../services/engine/file/journal/footer.ts'
import { scanSegment, type Damage, type Scan, type ScanSource } from '../../../../../services/engine/file/journal/scan.ts'
import { message, openJournal, pushAll } from './kit.ts'
import { testFolder } from '../../../../support/test-folder.ts'

const ID = 3
const FIRST = 1000

interface Place { readonly from: number, readonly to: number, readonly offset: number }
interface Built { readonly bytes: Buffer, readonly groups: Place[], readonly records: Place[] }

/** Builds a segment with groups of the given numbers of records. */
function build (counts: readonly number[], sealed: Sealed | null = null, size = 120): Built {
  const header = encodeHeader({ id: ID, origin: 1, predecessor: { id: 2, length: 500, lastOffset: FIRST }, sealed })
  const parts: Uint8Array[] = [header]
  const groups: Place[] = []
  const records: Place[] = []
  let end = HEADER_BYTES
  let offset = FIRST
  for (const count of counts) {
    const start = end
    end += GROUP_BYTES
    const group: Uint8Array[] = [Buffer.alloc(GROUP_BYTES)]
    for (let index = 0; index < count; index++) {
      const { bytes } = message(offset += 10, size + offset % 50)
      group.push(bytes)
      records.push({ from: end, to: end + bytes.length, offset })
      end += bytes.length
    }
    const whole = Buffer.concat(group)
    finishGroup(whole, whole.length, start, ID, offset)
    parts.push(whole)
    groups.push({ from: start, to: end, offset })
  }
  return { bytes: Buffer.concat(parts), groups, records }
}

/** A sealed file with its footer. */
function buildSealed (count: number): Built {
  const built = build([count], { count, length: 9999, lastOffset: FIRST + 10 * count })
  const column = (of: (place: Place) => number) => Uint32Array.from(built.records, of)
  const footer = encodeFooter({
    offsets: Float64Array.from(built.records, ({ offset }) => offset),
    times: Float64Array.from(built.records, ({ offset }) => offset),
    positions: column(({ from }) => from),
    lengths: column(({ from, to }) => to - from),
    addresses: column(() => 0),
    expiring: new Uint32Array(0),
    untils: new Float64Array(0),
    names: packNames([Buffer.from('all')])
  }, built.bytes.length, ID)
  return { ...built, bytes: Buffer.concat([built.bytes, footer]) }
}

/** Scans bytes as a file. Every record must have the payload of its offset. */
function scan (t: Test, bytes: Buffer, source: Partial<ScanSource> = {}): Scan & { readonly found: number[] } {
  const path = join(t.testdirName, 'segment')
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r')
  const found: number[] = []
  try {
    const result = scanSegment({ fd, size: bytes.length, id: ID, expected: null, ...source }, (window, at, position) => {
      const offset = recordOffset(window, at)
      const original = bytes.subarray(position, position + recordLength(window, at))
      if (!original.equals(window.subarray(at, at + recordLength(window, at)))) throw new Error('The position is wrong.')
      if (!recordParts(window, at).payload.toString().startsWith(`${offset}:`)) throw new Error('The content is wrong.')
      found.push(offset)
    })
    return { ...result, found }
  } finally {
    closeSync(fd)
  }
}

function covers ({ afterOffset, beforeOffset, lastOffset }: Damage, offset: number): boolean {
  return offset > afterOffset && offset < beforeOffset && offset <= lastOffset
}

const offsetsOf = (places: readonly Place[]) => places.map(({ offset }) => offset)

t.test('an intact segment is found as it is, in chunks of every size', (t) => {
  testFolder(t)
  const { bytes, records } = build([3, 1, 40, 2])
  for (const chunkBytes of [1, 100, 1000, 1e6]) {
    const { found, ...rest } = scan(t, bytes, { chunkBytes })
    t.same(found, offsetsOf(records))
    t.match(rest, { length: bytes.length, lastOffset: 1460, records: 46, damages: [], tornBytes: 0, doubtful: null })
  }
  t.same(scan(t, bytes.subarray(0, HEADER_BYTES)), {
    header: { id: ID, origin: 1, predecessor: { id: 2, length: 500, lastOffset: FIRST }, sealed: null },
    length: HEADER_BYTES, lastOffset: FIRST, records: 0, missing: 0, damages: [], tornBytes: 0, doubtful: null, found: []
  })
  t.end()
})

t.test('a damaged record is a gap for exactly its offset, and the records around it are found', (t) => {
  testFolder(t)
  const { bytes, records } = build([3, 5, 2])
  const lost = records[5]
  if (lost === undefined) return t.fail('no record')
  for (const at of [0, 9, 20, 60]) {
    const copy = Buffer.from(bytes)
    copy[lost.from + at] = (copy[lost.from + at] ?? 0) ^ 16
    const { found, damages, length } = scan(t, copy)
    t.same(found, offsetsOf(records.filter((record) => record !== lost)))
    t.same(damages, [{ from: lost.from, to: lost.to, afterOffset: 1050, beforeOffset: 1070, lastOffset: 1080 }])
    t.equal(length, bytes.length)
  }
  t.end()
})

t.test('a damaged header of a group loses no record', (t) => {
  testFolder(t)
  const { bytes, records, groups } = build([3, 5, 2])
  const start = groups[1]?.from ?? 0
  bytes.fill(0, start, start + GROUP_BYTES)
  const { found, damages } = scan(t, bytes)
  t.same(found, offsetsOf(records))
  t.same(damages.map(({ from, to }) => [from, to]), [[start, start + GROUP_BYTES]])
  t.notOk(damages.some((damage) => [1031, 1035, 1039].some((offset) => covers(damage, offset))), 'nothing can be missing')
  t.end()
})

t.test('a file that ends inside a group has a torn tail: no damage and no doubt', (t) => {
  testFolder(t)
  const { bytes, records, groups } = build([3, 5])
  const [first, last] = groups
  if (first === undefined || last === undefined) return t.fail('no groups')
  const wrong: number[] = []
  for (let size = first.to + 1; size < bytes.length; size++) {
    const { found, length, tornBytes, damages, doubtful } = scan(t, bytes.subarray(0, size))
    if (length !== first.to || tornBytes !== size - length || found.length !== 3) wrong.push(size)
    if (damages.length > 0 || doubtful !== null) wrong.push(size)
  }
  t.same(wrong, [])
  t.same(scan(t, bytes).found, offsetsOf(records))
  t.end()
})

t.test('a complete tail with wrong bytes is cut and doubtful', (t) => {
  testFolder(t)
  const { bytes, groups: [first, last] } = build([3, 5])
  if (first === undefined || last === undefined) return t.fail('no groups')
  const flipped = Buffer.from(bytes)
  flipped[last.from + 50] = 255
  const expected = { from: first.to, to: bytes.length, afterOffset: 1030, beforeOffset: Infinity }
  const result = scan(t, flipped)
  t.match(result, { length: first.to, tornBytes: 0, damages: [], doubtful: { ...expected, lastOffset: 1080 } })
  t.same(result.found, [1010, 1020, 1030], 'no record of the tail is handed out')

  const zeros = Buffer.concat([bytes.subarray(0, first.to), Buffer.alloc(last.to - last.from)])
  t.match(scan(t, zeros), { length: first.to, damages: [], doubtful: { ...expected, lastOffset: Infinity } })
  const appended = Buffer.concat([bytes, Buffer.alloc(4096)])
  t.match(scan(t, appended), { length: bytes.length, damages: [], doubtful: { afterOffset: 1080, from: bytes.length } })
  t.end()
})

t.test('a hole in front of a good header of a group is damage, even when that group is torn', (t) => {
  testFolder(t)
  const { bytes, groups: [first, second, third] } = build([3, 5, 2])
  if (first === undefined || second === undefined || third === undefined) return t.fail('no groups')
  bytes.fill(0, second.from, second.to)
  const { found, damages, length, tornBytes } = scan(t, bytes.subarray(0, third.to - 1))
  t.same(found, [1010, 1020, 1030])
  t.match(damages, [{ from: second.from, to: second.to, afterOffset: 1030, beforeOffset: Infinity }])
  t.equal(length, third.from)
  t.equal(tornBytes, third.to - 1 - third.from)
  t.end()
})

t.test('a segment without a header keeps its records; one with nothing else has no good length', (t) => {
  testFolder(t)
  const { bytes, records } = build([3, 5])
  const damaged = Buffer.from(bytes)
  damaged[20] = 77
  const result = scan(t, damaged)
  t.same(result.found, offsetsOf(records))
  t.match(result, { header: null, length: bytes.length, damages: [] })
  t.match(scan(t, damaged.subarray(0, HEADER_BYTES)), { header: null, length: 0, tornBytes: HEADER_BYTES, doubtful: null })
  t.match(scan(t, bytes.subarray(0, 10)), { header: null, length: 0, tornBytes: 10, doubtful: null })
  t.match(scan(t, Buffer.alloc(0)), { header: null, length: 0, tornBytes: 0, doubtful: null })
  t.match(scan(t, Buffer.alloc(500)), { header: null, length: 0, doubtful: { from: 0, to: 500 } })
  t.match(scan(t, bytes, { id: ID + 1 }), { header: null, length: 0, found: [] }, 'nor has a file of another id')
  t.end()
})

t.test('a segment with a successor is damaged where its end is missing, and cut behind it', (t) => {
  testFolder(t)
  const { bytes, groups: [first, second], records } = build([3, 5])
  if (first === undefined || second === undefined) return t.fail('no groups')
  const expected = { length: bytes.length, lastOffset: 1080 }
  t.match(scan(t, bytes, { expected }), { length: bytes.length, damages: [], doubtful: null, lastOffset: 1080 })

  const cut = scan(t, bytes.subarray(0, (records[4]?.to ?? 0) + 7), { expected })
  t.same(cut.found, offsetsOf(records.slice(0, 5)))
  t.same(offsetsOf(records).filter((offset) => cut.damages.some((damage) => covers(damage, offset))), [1060, 1070, 1080])

  const atGroup = scan(t, bytes.subarray(0, first.to), { expected })
  t.same(atGroup.damages, [
    { from: first.to, to: bytes.length, afterOffset: 1030, beforeOffset: Infinity, lastOffset: 1080 }
  ])
  t.equal(atGroup.lastOffset, 1080)
  const longer = scan(t, bytes, { expected: { length: first.to, lastOffset: 1030 } })
  t.match(longer, { length: first.to, damages: [], doubtful: null, tornBytes: 0 })
  t.same(longer.found, [1010, 1020, 1030], 'records behind the length were never acknowledged')
  t.end()
})

t.test('bytes of a record inside a damaged record are no record when their offset is impossible', (t) => {
  testFolder(t)
  const inner = build([1]).bytes.subarray(HEADER_BYTES + GROUP_BYTES)
  const group = Buffer.concat([Buffer.alloc(GROUP_BYTES), message(1010).bytes, message(1020).bytes, message(1030).bytes])
  finishGroup(group, group.length, HEADER_BYTES, ID, 1030)
  const last = build([1]).bytes.subarray(HEADER_BYTES)
  finishGroup(last, last.length, HEADER_BYTES + group.length, ID, 1040)
  inner.copy(group, GROUP_BYTES + message(1010).bytes.length + 60)
  const { found } = scan(t, Buffer.concat([build([]).bytes, group, last]))
  t.same(found, [1010, 1030, 1010], 'the repetition is the record of the last group')
  t.end()
})

t.test('a sealed segment without a footer is scanned, and its header counts what is missing', (t) => {
  testFolder(t)
  const { bytes, records, groups: [group] } = buildSealed(30)
  if (group === undefined) return t.fail('no group')
  const whole = scan(t, bytes)
  t.match(whole, { length: group.to, missing: 0, damages: [], doubtful: null, tornBytes: 0, lastOffset: 1300 })
  t.same(whole.found, offsetsOf(records))

  const headless = Buffer.from(bytes)
  headless.fill(0, group.from, group.from + GROUP_BYTES)
  t.match(scan(t, headless), { missing: 0, damages: [], records: 30 })

  const damaged = Buffer.from(bytes)
  damaged.fill(7, records[3]?.from, records[5]?.to)
  const result = scan(t, damaged)
  t.same(result.found, offsetsOf(records.filter((_, index) => index < 3 || index > 5)))
  t.equal(result.missing, 3)
  t.same(result.damages, [{
    from: records[3]?.from, to: records[5]?.to, afterOffset: FIRST, beforeOffset: Infinity, lastOffset: 1300
  }], 'any offset of the segment may be missing, since its order is that of addresses')

  const cut = scan(t, bytes.subarray(0, records[10]?.from))
  t.match(cut, { missing: 20, records: 10, damages: [{ to: group.to, lastOffset: 1300 }] })
  t.end()
})

t.test('records in damaged bytes that look like others cost a bounded time', (t) => {
  testFolder(t)
  const { bytes, groups: [first] } = build([1, 1], null, 1_000_000)
  if (first === undefined) return t.fail('no group')
  const end = first.to - 40
  for (let at = first.from + GROUP_BYTES; at < end; at += 40) {
    bytes.writeUInt32LE(first.to - at, at)
    bytes.writeUInt8(1, at + 8)
    bytes.writeUInt8(1, at + 9)
    bytes.writeUInt16LE(0, at + 10)
    bytes.writeUInt32LE(0, at + 12)
  }
  const before = performance.now()
  t.same(scan(t, bytes).found, [1020])
  t.ok(performance.now() - before < 2000)
  t.end()
})

/** A change of the bytes of a file. */
const KINDS: Record<string, (bytes: Buffer, at: number, length: number, seed: number) => Buffer> = {
  bit: (bytes, at, _, seed) => {
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (seed % 8))
    return bytes
  },
  zeros: (bytes, at, length) => bytes.fill(0, at, Math.min(bytes.length, at + length)),
  garbage: (bytes, at, length, seed) => {
    for (let index = at; index < Math.min(bytes.length, at + length); index++) bytes[index] = (index * 7919 + seed) >> 3
    return bytes
  },
  cut: (bytes, at) => bytes.subarray(0, at)
}

/** Where a change begins, from a number between 0 and 1. */
const REGIONS: Record<string, (built: Built, share: number) => number> = {
  header: (_, share) => Math.floor(share * HEADER_BYTES),
  groupHeader: ({ groups }, share) => (groups[Math.floor(share * groups.length)]?.from ?? 0) + Math.floor(share * 997) % GROUP_BYTES,
  record: ({ records }, share) => (records[Math.floor(share * records.length)]?.from ?? 0) + Math.floor(share * 9973) % 100,
  tail: ({ groups, bytes }, share) => {
    const { from } = groups.at(-1) ?? { from: 0 }
    return from + Math.floor(share * (bytes.length - from))
  },
  lastPage: ({ bytes }, share) => bytes.length - 1 - Math.floor(share * Math.min(4096, bytes.length - 1))
}

const anyEdit = fc.record({
  counts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 }),
  share: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  length: fc.integer({ min: 1, max: 600 }),
  seed: fc.nat(1000)
})

/** What a plain comparison with the intact file says about the changed file. */
function compare ({ bytes, groups, records }: Built, changed: Buffer) {
  const isSame = (from: number, to: number) => to <= changed.length && bytes.subarray(from, to).equals(changed.subarray(from, to))
  const good = records.filter(({ from, to }) => isSame(from, to))
  const headed = groups.filter(({ from }) => isSame(from, from + GROUP_BYTES)).at(-1)
  const isLastGood = headed !== undefined && isSame(headed.from, headed.to)
  // Everything in front of the last good header of a group was acknowledged.
  const proven = headed === undefined ? HEADER_BYTES : isLastGood ? headed.to : headed.from
  return { good, proven, hasHeader: isSame(0, HEADER_BYTES), hasGroup: headed !== undefined }
}

for (const [region, place] of Object.entries(REGIONS)) {
  for (const [kind, change] of Object.entries(KINDS)) {
    t.test(`${kind} in ${region}: the scan finds the same records as a comparison with the intact file`, (t) => {
      testFolder(t)
      fc.assert(fc.property(anyEdit, ({ counts, share, length, seed }) => {
        const built = build(counts)
        const changed = change(Buffer.from(built.bytes), place(built, share), length, seed)
        const { good, proven } = compare(built, changed)
        const offsets = offsetsOf(built.records)

        const newest = scan(t, changed)
        const expected = offsetsOf(good.filter(({ to }) => to <= proven))
        const gaps = newest.doubtful === null ? newest.damages : [...newest.damages, newest.doubtful]
        const isNewestRight = JSON.stringify(newest.found) === JSON.stringify(expected) &&
          built.records.every(({ offset, to }) => newest.found.includes(offset) ||
            gaps.some((gap) => covers(gap, offset)) || (newest.tornBytes > 0 && to > newest.length) ||
            // A file that ends between two groups looks complete.
            (changed.length === newest.length && to > changed.length))

        const older = scan(t, changed, { expected: { length: built.bytes.length, lastOffset: offsets.at(-1) ?? 0 } })
        const isOlderRight = JSON.stringify(older.found) === JSON.stringify(offsetsOf(good)) &&
          offsets.every((offset) => older.found.includes(offset) || older.damages.some((gap) => covers(gap, offset)))

        const sealed = buildSealed(counts.reduce((sum, count) => sum + count, 0))
        const changedSealed = change(Buffer.from(sealed.bytes), place(sealed, share), length, seed)
        const result = scan(t, changedSealed)
        const { good: goodSealed, hasHeader } = compare(sealed, changedSealed)
        const isSealedRight = !hasHeader || (JSON.stringify(result.found) === JSON.stringify(offsetsOf(goodSealed)) &&
          result.missing === sealed.records.length - goodSealed.length && (result.missing === 0) === (result.damages.length === 0))
        return isNewestRight && isOlderRight && isSealedRight
      }), { numRuns: 15 })
      t.end()
    })
  }
}

t.test('after a power cut, acknowledged records are found and other groups wholly or not', async (t) => {
  let run = 0
  const crash = fc.record({
    counts: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 6 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    damage: fc.constantFrom('none', 'zeros', 'garbage', 'bit'),
    seed: fc.nat(1000)
  })
  await fc.assert(fc.asyncProperty(crash, async ({ counts, share, damage, seed }) => {
    const folder = join(testFolder(t, { [`${++run}`]: {} }), `${run}`)
    const { journal, segments } = openJournal(t, { folder, start: { id: ID, predecessor: null } })
    let offset = FIRST
    let acknowledged = FIRST
    let synced = 0
    for (const count of counts) {
      const records = Array.from({ length: count }, () => message(++offset))
      acknowledged = offset - count
      synced = segments[0]?.syncedLength ?? 0
      await pushAll(journal, records)[0]?.written
    }
    await journal.close(1000)
    segments[0]?.close()
    const bytes = readFileSync(join(folder, '00000003.seg'))
    // The disk has everything that was synced before the last group, and any part of the last group.
    const size = synced + Math.floor(share * (bytes.length - synced))
    let crashed = Buffer.from(bytes.subarray(0, size))
    const at = synced + seed % Math.max(1, size - synced)
    if (damage !== 'none' && at < size) crashed = Buffer.from(KINDS[damage]?.(crashed, at, 4096, seed) ?? crashed)
    if (seed % 3 === 0) crashed = Buffer.concat([crashed, Buffer.alloc(seed)])
    const { found, damages, length } = scan(t, crashed)
    const isWhole = found.length === offset - FIRST
    return damages.length === 0 && length >= synced && found.every((one, index) => one === FIRST + 1 + index) &&
      (isWhole || found.length === acknowledged - FIRST)
  }), { numRuns: 60 })
})
