import fc from 'fast-check'
import t from 'tap'
import { NameTable } from '../../../../../services/engine/file/recovery/name-table.ts'
import { encodeText } from '../../../../../services/engine/local/text.ts'

t.test('gives each name one number, and asks for the number of a new name once', async (t) => {
  fc.assert(fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 6 }), { maxLength: 3000, size: 'max' }), (names) => {
    const table = new NameTable()
    const numbers = new Map<string, number>()
    const resolve = (key: string): number => {
      if (numbers.has(key)) throw new Error(`asked twice for ${key}`)
      numbers.set(key, numbers.size + 100)
      return numbers.size + 99
    }
    for (const name of names) {
      const bytes = Buffer.concat([Buffer.from('..'), encodeText(name), Buffer.from('.')])
      if (table.number(bytes, 2, bytes.length - 1, resolve) !== numbers.get(name)) throw new Error(`another number for ${name}`)
    }
  }), { numRuns: 30 })
  t.pass('30 runs of up to 3000 names')
})
