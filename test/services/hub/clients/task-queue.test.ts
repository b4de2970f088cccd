import t from 'tap'
import { TaskQueue } from '../../../../services/hub/clients/task-queue.ts'

function turns () {
  const failures: unknown[] = []
  const pressure: boolean[] = []
  return { failures, pressure, turns: new TaskQueue({ onFailure: (error) => failures.push(error), onPressure: (isHigh) => pressure.push(isHigh) }, null) }
}

t.test('tasks run one after another, those that take their time included', async (t) => {
  const { turns: line } = turns()
  const done: number[] = []
  const { promise, resolve } = gate()
  line.run(() => { done.push(1) })
  line.run(async () => { await promise; done.push(2) })
  line.run(() => { done.push(3) })
  t.same(done, [1], 'the third waits for the second')
  resolve()
  await promise
  await new Promise((resolve) => setImmediate(resolve))
  t.same(done, [1, 2, 3])
})

t.test('a task that throws or rejects is reported and ends nothing', async (t) => {
  const { turns: line, failures } = turns()
  const done: string[] = []
  line.run(() => { throw new Error('now') })
  line.run(async () => { throw new Error('later') })
  line.run(() => { done.push('after') })
  await new Promise((resolve) => setImmediate(resolve))
  t.same(done, ['after'])
  t.match(failures, [{ message: 'now' }, { message: 'later' }])
})

t.test('says when tasks pile up and when they are done, and any number of them may wait', async (t) => {
  const { turns: line, pressure } = turns()
  const { promise, resolve } = gate()
  line.run(() => promise)
  let done = 0
  for (let n = 0; n < 100_000; n++) line.run(() => { done++ })
  t.same(pressure, [true])
  resolve()
  await promise
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(done, 100_000)
  t.same(pressure, [true, false])
})

t.test('a task may return whatever it likes, even something that only looks like a promise', async (t) => {
  const { turns: line, failures } = turns()
  const done: string[] = []
  line.run(() => ({ then () { throw new Error('bad then') } }))
  line.run(() => ({ then: 5 }))
  line.run(() => { done.push('after') })
  await new Promise((resolve) => setImmediate(resolve))
  t.same(done, ['after'])
  t.match(failures, [{ message: 'bad then' }])
})

function gate () {
  let resolve = (): void => {}
  const promise = new Promise<void>((settle) => { resolve = settle })
  return { promise, resolve }
}
