import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { checksum } from '../../../../../services/engine/file/journal/checksum.ts'
import {
  decodeGroupHeader, decodeHeader, encodeHeader, encodeRecord, finishGroup, GROUP_BYTES, HEADER_BYTES, isMessage, isRecord,
  KIND, RECORD_BYTES, recordKind, recordOffset, recordParts, recordTime, recordUntil, segmentId, segmentName
} from '../../../../../services/engine/file/journal/format.ts'

const anyOffset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const anyId = fc.integer({ min: 1, max: 2 ** 32 - 1 })

t.test('the checksum is the CRC-32 of zlib for every length, alignment and seed', (t) => {
  const bytes = Buffer.from(Array.from({ length: 1100 }, (_, index) => index * 31 + (index >> 3)))
  const wrong: number[][] = []
  for (let from = 0; from < 9; from++) {
    for (let to = from; to < bytes.length; to += 7) {
      const seed = (to * 2654435761) >>> 0
      if (checksum(bytes, from, to, seed) !== crc32(bytes.subarray(from, to), seed)) wrong.push([from, to])
    }
  }
  t.same(wrong, [])
  t.end()
})

t.test('headers of segments survive encoding', (t) => {
  const anyHeader = fc.record({
    id: anyId,
    origin: anyOffset,
    predecessor: fc.option(fc.record({ id: anyId, length: anyOffset, lastOffset: anyOffset })),
    sealed: fc.option(fc.record({ count: fc.nat(), length: anyOffset, lastOffset: anyOffset }))
  })
  fc.assert(fc.property(anyHeader, (header) => {
    const decoded = decodeHeader(encodeHeader(header))
    return JSON.stringify(decoded) === JSON.stringify(header)
  }))
  t.end()
})

t.test('a changed bit in the header of a segment is found', (t) => {
  const header = encodeHeader({ id: 7, origin: 1, predecessor: { id: 6, length: 99, lastOffset: 5 }, sealed: null })
  let found = 0
  for (let bit = 0; bit < 8 * HEADER_BYTES; bit++) {
    const copy = Buffer.from(header)
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (decodeHeader(copy) === null) found++
  }
  t.equal(found, 8 * HEADER_BYTES)
  t.equal(decodeHeader(header.subarray(0, HEADER_BYTES - 1)), null)
  t.end()
})

t.test('an intact header of another layout is refused and not treated as damaged', (t) => {
  const header = encodeHeader({ id: 7, origin: 1, predecessor: null, sealed: null })
  header.writeUInt16LE(2, 8)
  header.writeUInt32LE(crc32(header.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4)
  t.throws(() => decodeHeader(header), /has layout 2/)
  t.end()
})

t.test('records survive encoding', (t) => {
  const anyRecord = fc.record({
    kind: fc.constantFrom(...Object.values(KIND)),
    offset: anyOffset,
    at: fc.nat(),
    until: fc.oneof(fc.constant(Infinity), fc.nat()),
    name: fc.uint8Array({ maxLength: 300 }),
    options: fc.string({ unit: 'grapheme' }),
    payload: fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 2000 }))
  })
  fc.assert(fc.property(anyRecord, anyId, (record, id) => {
    const bytes = encodeRecord(record)
    const group = Buffer.concat([Buffer.alloc(GROUP_BYTES), bytes])
    finishGroup(group, group.length, 1000, id, record.offset)
    const { name, options, payload } = recordParts(group, GROUP_BYTES)
    return isRecord(group, GROUP_BYTES, bytes.length, id) && !isRecord(group, GROUP_BYTES, bytes.length, id - 1) &&
      recordKind(group, GROUP_BYTES) === record.kind && recordOffset(group, GROUP_BYTES) === record.offset &&
      recordTime(group, GROUP_BYTES) === record.at && recordUntil(group, GROUP_BYTES) === record.until &&
      name.equals(record.name) && options.toString() === record.options && payload.equals(Buffer.from(record.payload)) &&
      decodeGroupHeader(group, 0, 1000, id)?.bytes === bytes.length
  }))
  t.end()
})

t.test('a group header counts only at its own position in its own segment', (t) => {
  const record = encodeRecord({
    kind: KIND.text, offset: 5, at: 1, until: Infinity, name: Buffer.from('all'), options: '', payload: 'hello'
  })
  const group = Buffer.concat([Buffer.alloc(GROUP_BYTES), record])
  finishGroup(group, group.length, 4096, 42, 5)
  t.match(decodeGroupHeader(group, 0, 4096, 42), { start: 4096, bytes: record.length, count: 1, lastOffset: 5 })
  t.equal(decodeGroupHeader(group, 0, 4097, 42), null)
  t.equal(decodeGroupHeader(group, 0, 4096, 43), null)
  t.equal(decodeGroupHeader(group.subarray(0, GROUP_BYTES - 1), 0, 4096, 42), null)
  t.end()
})

t.test('every changed bit of a record is found', (t) => {
  const record = encodeRecord({
    kind: KIND.json, offset: 5, at: 1, until: 9, name: Buffer.from('user:bob'), options: '{"ttl":1}', payload: '{}'
  })
  const group = Buffer.concat([Buffer.alloc(GROUP_BYTES), record])
  finishGroup(group, group.length, 72, 1, 5)
  let found = 0
  for (let bit = 0; bit < 8 * record.length; bit++) {
    const at = GROUP_BYTES + (bit >> 3)
    const copy = Buffer.from(group)
    copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7))
    if (!isRecord(copy, GROUP_BYTES, record.length, 1)) found++
  }
  t.equal(found, 8 * record.length)
  t.equal(isRecord(group, GROUP_BYTES, RECORD_BYTES, 1), false, 'nor does a record count that goes beyond its limit')
  t.end()
})

t.test('names of segment files have eight digits and are recognized', (t) => {
  t.equal(segmentName(42), '00000042.seg')
  t.same(['00000042.seg', '4294967295.seg', '42.seg', '00000042.seg.tmp', 'state'].map(segmentId), [42, 4294967295, null, null, null])
  t.same(Object.values(KIND).filter(isMessage), [KIND.text, KIND.json, KIND.binary])
  t.end()
})
