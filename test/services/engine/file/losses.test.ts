// The bookkeeping of lost messages while the disk cannot be written: what is kept is bounded.
import t from 'tap'
import type { Journal } from '../../../../services/engine/file/journal/journal.ts'
import { recordKind, recordOffset, KIND } from '../../../../services/engine/file/journal/format.ts'
import { Losses } from '../../../../services/engine/file/losses.ts'

/** A journal that refuses records while it has a problem. */
function openJournal () {
  const records: Buffer[] = []
  const journal = {
    problem: 'full' as string | null,
    push: ({ bytes }: { readonly bytes: Buffer }) => {
      records.push(bytes)
      return { written: Promise.resolve(true) }
    }
  }
  return { journal, records, losses: new Losses(journal as unknown as Journal) }
}

t.test('too many addresses are not counted: each of them gets a gap', async (t) => {
  const { journal, records, losses } = openJournal()
  for (let n = 1; n <= 100_000; n++) losses.add(`user:${n}`, n)
  const counted = losses.from(0)
  t.ok(counted.size <= 11_000, `${counted.size} addresses`)
  t.equal(counted.get('user:100000'), 1, 'the latest are counted')
  t.same(records, [])

  journal.problem = null
  losses.write()
  const kinds = (kind: number) => records.filter((record) => recordKind(record, 0) === kind)
  t.equal(kinds(KIND.loss).length, counted.size)
  t.same(kinds(KIND.doubt).map((record) => recordOffset(record, 0)), [100_000 - counted.size])
})

t.test('an address that loses messages again and again is counted once', async (t) => {
  const { losses } = openJournal()
  for (let n = 1; n <= 100_000; n++) losses.add('user:bob', n)
  t.same([...losses.from(0)], [['user:bob', 100_000]])
})
