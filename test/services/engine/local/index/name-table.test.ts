import fc from 'fast-check'
import t from 'tap'
import { NameTable, NO_NAME, WANTED } from '../../../../../services/engine/local/index/name-table.ts'
import { keyedHash } from '../../../../../services/engine/local/index/keyed-hash.ts'
import { encodeText } from '../../../../../services/engine/local/text.ts'

const NAME = fc.string({ unit: 'binary', minLength: 1, maxLength: 4 })

/** Packs names into one buffer, as a footer has them. */
function pack (names: readonly string[]) {
  const encoded = names.map((name) => encodeText(name))
  const starts = new Uint32Array(names.length + 1)
  for (const [n, { length }] of encoded.entries()) starts[n + 1] = (starts[n] as number) + length
  return { bytes: Buffer.concat(encoded), starts }
}

/** Adds a name that the table does not have, and returns its number. */
function add (table: NameTable, name: string): number {
  const added: number[] = []
  const number = table.resolve(name, (one) => added.push(one))
  if (added.join() !== `${number}`) throw new Error(`added ${added.join()} instead of ${number}`)
  if (table.resolve(name, (one) => added.push(one)) !== number || added.length > 1) throw new Error(`added ${name} twice`)
  return number
}

t.test('gives each name a number of its own, one by one and many at once, also after others were removed', async (t) => {
  const step = fc.record({ names: fc.uniqueArray(NAME, { minLength: 1, maxLength: 50 }), kind: fc.constantFrom('add', 'addAll', 'remove') })
  fc.assert(fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
    const table = new NameTable()
    const known = new Map<string, number>()
    const note = (name: string, number: number): void => {
      if ([...known.values()].includes(number)) throw new Error(`the number ${number} twice`)
      known.set(name, number)
    }
    for (const { names, kind } of steps) {
      if (kind === 'addAll') {
        // Half of the names are wanted.
        const numbers = Uint32Array.from(names, (_, n) => n % 2 === 0 ? WANTED : 7)
        const added: number[] = []
        table.resolveAll(pack(names), numbers, (number) => added.push(number))
        const expected: number[] = []
        for (const [n, name] of names.entries()) {
          if (n % 2 === 1 && numbers[n] !== 7) throw new Error('the number of a name that is not wanted was set')
          if (n % 2 === 1) continue
          if (!known.has(name)) {
            note(name, numbers[n] as number)
            expected.push(numbers[n] as number)
          } else if (known.get(name) !== numbers[n]) throw new Error(`another number for ${name}`)
        }
        if (added.sort().join() !== expected.sort().join()) throw new Error(`added ${added.join()} instead of ${expected.join()}`)
        continue
      }
      for (const name of names) {
        const number = table.find(name)
        if (number !== (known.get(name) ?? NO_NAME)) throw new Error(`another number for ${name}`)
        if (kind === 'remove' && number !== NO_NAME) {
          table.remove(number)
          known.delete(name)
        } else if (kind === 'add' && number === NO_NAME) note(name, add(table, name))
      }
    }
    const nameOf = table.snapshot()
    for (const [name, number] of known) {
      if (table.find(name) !== number || table.name(number) !== name || nameOf(number) !== name) throw new Error(`lost ${name}`)
    }
  }), { numRuns: 50 })
  t.pass('50 runs of up to 200 steps')
})

t.test('keeps its names when most of many others are removed', async (t) => {
  const table = new NameTable()
  const numbers = Array.from({ length: 20_000 }, (_, n) => add(table, `user:${n}`))
  for (const [n, number] of numbers.entries()) if (n % 10 !== 0) table.remove(number)
  const kept = numbers.filter((_, n) => n % 10 === 0)
  t.same(kept.map((number) => table.name(number)), kept.map((_, n) => `user:${10 * n}`))
  t.same(kept.map((_, n) => table.find(`user:${10 * n}`)), kept)
  t.equal(table.find('user:1'), NO_NAME)
  const again = Array.from({ length: 18_000 }, (_, n) => add(table, `group:${n}`))
  t.equal(new Set([...kept, ...again]).size, 20_000)
  t.equal(Math.max(...again), 19_999, 'the numbers of removed names are given again')
})

t.test('the hash depends on the key and on every byte, and spreads similar names evenly', async (t) => {
  const names = Array.from({ length: 65_536 }, (_, n) => Buffer.from(`user:${n}`))
  const hashes = names.map((name) => keyedHash(1, 2, name, 0, name.length))
  t.ok(new Set(hashes).size > 65_500, 'few have the same')
  t.ok(new Set(hashes.map((hash) => hash & 0xFFFF)).size > 41_000, 'as many low halves as random numbers have: 1 - 1/e')
  t.ok(names.every((name, n) => keyedHash(1, 3, name, 0, name.length) !== hashes[n]))
  t.equal(keyedHash(1, 2, Buffer.from('..user:7.'), 2, 8), hashes[7])
})
