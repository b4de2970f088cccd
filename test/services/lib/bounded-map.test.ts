import t from 'tap'
import { BoundedMap } from '../../../services/lib/bounded-map.ts'

t.test('over the maximum the oldest entry is evicted; a new value does not make an entry younger', async (t) => {
  const map = new BoundedMap<string, number>(2)
  map.set('a', 1).set('b', 2).set('a', 3)
  t.same([...map], [['a', 3], ['b', 2]])
  map.set('c', 4)
  t.same([...map], [['b', 2], ['c', 4]])
  map.delete('b')
  map.set('d', 5)
  t.same([...map], [['c', 4], ['d', 5]])
})
