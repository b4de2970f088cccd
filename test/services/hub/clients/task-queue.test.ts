import t from 'tap'
import { TaskQueue } from '../../../../services/hub/clients/task-queue.ts'
import { throwingLog } from '../peer.ts'

/** Creates a queue, and records the logged errors and the pauses of the connection. */
function newQueue () {
  const errors: unknown[] = []
  const pauses: boolean[] = []
  const owner = { id: 'c1', setPaused: (isPaused: boolean) => { pauses.push(isPaused) } }
  const log = { ...throwingLog(), error: ({ err }: { err: unknown }) => { errors.push(err) } }
  return { errors, pauses, queue: new TaskQueue(owner, log) }
}

t.test('tasks run one after another, asynchronous tasks included', async (t) => {
  const { queue } = newQueue()
  const done: number[] = []
  const { promise, resolve } = gate()
  queue.run(() => { done.push(1) })
  queue.run(async () => { await promise; done.push(2) })
  queue.run(() => { done.push(3) })
  t.same(done, [1], 'the third waits for the second')
  resolve()
  await promise
  await new Promise((resolve) => setImmediate(resolve))
  t.same(done, [1, 2, 3])
})

t.test('a task that throws or rejects is logged, and the next task runs', async (t) => {
  const { queue, errors } = newQueue()
  const done: string[] = []
  queue.run(() => { throw new Error('now') })
  queue.run(async () => { throw new Error('later') })
  queue.run(() => { done.push('after') })
  await new Promise((resolve) => setImmediate(resolve))
  t.same(done, ['after'])
  t.match(errors, [{ message: 'now' }, { message: 'later' }])
})

t.test('pauses the connection while 16 or more tasks are queued, and queues any number of tasks', async (t) => {
  const { queue, pauses } = newQueue()
  const { promise, resolve } = gate()
  queue.run(() => promise)
  let done = 0
  for (let n = 0; n < 100_000; n++) queue.run(() => { done++ })
  t.same(pauses, [true])
  resolve()
  await promise
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(done, 100_000)
  t.same(pauses, [true, false])
})

t.test('tasks that arrive while earlier tasks wait keep their order, and all waiting tasks count', async (t) => {
  const { queue, pauses } = newQueue()
  const done: number[] = []
  const [first, second] = [gate(), gate()]
  queue.run(async () => { await first.promise; done.push(1) })
  queue.run(async () => { await second.promise; done.push(2) })
  for (let n = 3; n <= 10; n++) queue.run(() => { done.push(n) })
  first.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  t.same(done, [1])
  // Eight tasks wait since before the second task; with these there are 15, then 16.
  for (let n = 11; n <= 17; n++) queue.run(() => { done.push(n) })
  t.same(pauses, [])
  queue.run(() => { done.push(18) })
  t.same(pauses, [true])
  second.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  t.same(done, Array.from({ length: 18 }, (_, index) => index + 1))
  t.same(pauses, [true, false])
})

t.test('a task may return any value, even an object that only looks like a promise', async (t) => {
  const { queue, errors } = newQueue()
  const done: string[] = []
  queue.run(() => ({ then () { throw new Error('bad then') } }))
  queue.run(() => ({ then: 5 }))
  queue.run(() => { done.push('after') })
  await new Promise((resolve) => setImmediate(resolve))
  t.same(done, ['after'])
  t.match(errors, [{ message: 'bad then' }])
})

function gate () {
  let resolve = (): void => {}
  const promise = new Promise<void>((settle) => { resolve = settle })
  return { promise, resolve }
}
