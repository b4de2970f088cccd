import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { encodeFooter, packNames, readFooter, TRAILER_BYTES, type Footer } from '../../../../../services/engine/file/journal/footer.ts'
import { testFolder } from '../../../../support/test-folder.ts'

const ID = 42

/** Writes bytes to a file and reads their footer. */
function read (t: Test, bytes: Buffer, id = ID): Footer | string {
  const path = join(t.testdirName, 'file')
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r')
  try {
    return readFooter(fd, bytes.length, id)
  } finally {
    closeSync(fd)
  }
}

/** A footer of records of 50 bytes that begin at 104. */
function build (records: number, names: readonly string[], expiring: readonly number[]): Footer {
  const numbers = Array.from({ length: records }, (_, index) => index)
  return {
    offsets: Float64Array.from(numbers, (index) => 1e15 + 3 * index),
    times: Float64Array.from(numbers, (index) => 1e12 + index / 4),
    positions: Uint32Array.from(numbers, (index) => 104 + 50 * (records - 1 - index)),
    lengths: Uint32Array.from(numbers, () => 50),
    addresses: Uint32Array.from(numbers, (index) => index % names.length),
    expiring: Uint32Array.from(expiring),
    untils: Float64Array.from(expiring, (index) => 2e12 + index),
    names: packNames(names.map((name) => Buffer.from(name)))
  }
}

function whole (footer: Footer, id = ID): Buffer {
  const end = 104 + 50 * footer.offsets.length
  return Buffer.concat([Buffer.alloc(end, 1), encodeFooter(footer, end, id)])
}

t.test('footers of every size survive encoding', (t) => {
  testFolder(t)
  const names = fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 20 })
  fc.assert(fc.property(fc.nat(50), names, fc.nat(5), (records, names, expiring) => {
    const footer = build(records, names, Array.from({ length: Math.min(records, expiring) }, (_, index) => 2 * index))
    const found = read(t, whole(footer))
    if (typeof found === 'string') return false
    const { starts, bytes } = found.names
    return JSON.stringify(found) === JSON.stringify(footer) &&
      names.every((name, number) => bytes.toString('utf8', starts[number], starts[number + 1]) === name)
  }))
  t.end()
})

t.test('the columns are views of one buffer', (t) => {
  testFolder(t)
  const found = read(t, whole(build(9, ['all', 'user:bob'], [1, 4])))
  if (typeof found === 'string') return t.fail(found)
  const buffers = new Set([found.offsets, found.times, found.positions, found.lengths, found.untils].map((one) => one.buffer))
  t.equal(buffers.size, 1)
  t.end()
})

t.test('a footer with a changed bit, of another file or cut short is described as damaged', (t) => {
  testFolder(t)
  const footer = build(5, ['all', 'user:bob'], [1, 4])
  const bytes = whole(footer)
  const accepted: number[] = []
  for (let at = bytes.length - encodeFooter(footer, 354, ID).length + 6; at < bytes.length; at++) {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] ?? 0) ^ 4
    if (typeof read(t, copy) !== 'string') accepted.push(at)
  }
  t.same(accepted, [])
  t.equal(read(t, bytes, ID + 1), 'the checksum of the footer is wrong')
  t.type(read(t, bytes.subarray(0, -1)), 'string')
  t.type(read(t, bytes.subarray(0, TRAILER_BYTES)), 'string')
  t.type(read(t, Buffer.concat([bytes, Buffer.alloc(8)])), 'string')
  t.end()
})

t.test('a footer whose columns contradict each other is not used', (t) => {
  testFolder(t)
  const footer = build(3, ['all'], [])
  const broken = [
    { ...footer, offsets: Float64Array.of(1, 1, 2) },
    { ...footer, offsets: Float64Array.of(1, NaN, 2) },
    { ...footer, positions: Uint32Array.of(104, 154, 900) },
    { ...footer, positions: Uint32Array.of(4, 154, 204) },
    { ...footer, addresses: Uint32Array.of(0, 0, 1) }
  ]
  t.same(broken.map((one) => read(t, whole(one))), broken.map(() => 'the columns of the footer contradict each other'))
  t.end()
})
