// Restarts, kills and a full disk. Takes over 10 s on a busy machine: child processes write to a log, are killed, and
// start again.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Offset } from '../../../../services/model/message.ts'
import { ALL, BOB, draft, LIMITS, numbers, readAll } from '../../../engine-suite/kit.ts'
import { testFolder } from '../../../support/test-folder.ts'
import { Child } from './child-process.ts'
import { openEngine } from './kit.ts'

t.setTimeout(120_000)

const HOUR_MS = 3_600_000

const hasLimits = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0
const skip = hasLimits ? false : 'Only Linux with prlimit (util-linux) can limit the size of files, and lift the limit.'

t.test('a restart keeps messages, eviction summaries, idempotency records and state', async (t) => {
  const path = testFolder(t)
  let now = Date.UTC(2026, 0, 1)
  const retention = { ...LIMITS, now: () => now }
  const first = await openEngine(t, path, retention)
  const { offset } = await first.append(draft('once', { key: 'k' }))
  await first.append(draft('short', { ttl: 2 }))
  for (const n of numbers(LIMITS.inbox.maxCount + 2)) await first.append(draft(n, { address: BOB }))
  await first.state.update(['v'], () => ({ a: 1 }), 10_000)
  await first.state.update(['short'], () => 1, 1000)
  const summary = await first.summary({ address: BOB, after: 0 })
  const { head } = first
  await first.close()

  now += 1000
  const second = await openEngine(t, path, retention)
  t.equal(second.head, head)
  t.same(await readAll(second, [ALL]), { texts: ['once', 'short'], hasGap: false })
  t.same(await readAll(second, [BOB]), { texts: ['2', '3', '4', '5', '6'], hasGap: true })
  t.same(await second.summary({ address: BOB, after: 0 }), summary)
  t.same(await second.append(draft('once', { key: 'k' })), { offset, duplicate: true, stored: true })
  await t.rejects(second.append(draft('twice', { key: 'k' })), { code: 'HUB_KEY_REUSED' })
  t.same(await second.state.get(['v']), { a: 1 })
  t.equal(await second.state.get(['short']), undefined)
  t.ok((await second.append(draft('next'))).offset > head)
  now += 1000
  t.same((await readAll(second, [ALL])).texts, ['once', 'next'], 'the short message has expired')
  await second.close()

  now += LIMITS.log.maxAgeMs
  const third = await openEngine(t, path, retention)
  t.same(await readAll(third, [ALL]), { texts: [], hasGap: true }, 'the opening evicts messages that are too old')
})

t.test('a killed process loses no message that it reported as stored, and assigns no offset twice, also when the clock jumps', async (t) => {
  const path = testFolder(t)
  const stored = new Map<Offset, string>()
  const counted = new Map<string, number>()
  let highest = 0
  for (const [run, clock] of [0, 0, -HOUR_MS, HOUR_MS, -2 * HOUR_MS, 0, -1].entries()) {
    const child = new Child(t, ['publish', path, String(clock)])
    await child.until('stored', 20 + 37 * run)
    await child.kill()
    const delivered = child.reports('delivered').map(Number)
    t.ok(Number(delivered[0]) > highest, `run ${run}: the first offset is above all earlier offsets`)
    t.same(delivered, [...new Set(delivered)].sort((a, b) => a - b))
    highest = delivered.at(-1) ?? 0
    for (const line of child.reports('stored')) stored.set(Number.parseInt(line), line.slice(line.indexOf(' ') + 1))
    for (const line of child.reports('counted')) {
      const [count = 0, publisher = 0] = line.split(' ').map(Number)
      counted.set(String(publisher), Math.max(count, counted.get(String(publisher)) ?? 0))
    }
  }

  const engine = await openEngine(t, path)
  t.ok(engine.head >= highest)
  const found = new Map<Offset, unknown>()
  for (let after = 0; after < engine.head;) {
    const { messages, upTo, gapUpTo } = await engine.read([{ address: ALL, after }], { messages: 500, bytes: 1e9 })
    t.equal(gapUpTo, 0)
    for (const { offset, payload } of messages) found.set(offset, payload.data)
    after = upTo
  }
  const missing = [...stored].filter(([offset, text]) => found.get(offset) !== text)
  t.same(missing, [], `the log has all ${stored.size} messages`)
  t.ok(stored.size >= 20 * 7)
  t.equal(counted.size, 5)
  for (const [publisher, count] of counted) {
    t.ok(Number(await engine.state.get([`publisher ${publisher}`])) >= count, 'the state has the values too')
  }
})

t.test('no offset is assigned twice when a process is killed before its delivered messages are on the disk', async (t) => {
  const path = testFolder(t)
  let highest = 0
  for (const clock of [0, -1000, -HOUR_MS, -2 * HOUR_MS]) {
    const child = new Child(t, ['deliver', path, String(clock)])
    t.equal((await child.closed()).signal, 'SIGKILL')
    const delivered = child.reports('delivered').map(Number)
    t.equal(delivered.length, 100)
    t.ok(Number(delivered[0]) > highest)
    highest = delivered.at(-1) ?? 0
  }
  const engine = await openEngine(t, path)
  t.same((await readAll(engine, [ALL])).texts, [], 'no message was on the disk')
})

t.test('on a full disk messages are delivered and not stored, a gap is reported, and storing resumes when the disk has space', { skip }, async (t) => {
  const path = testFolder(t)
  const child = new Child(t, ['fill', path], 'ulimit -S -f 8192')
  await child.until('gap')
  const unstored = child.reports('unstored').map(Number)
  t.ok(child.reports('stored').length >= 100)
  t.ok(unstored.length > 0)
  t.match(child.reports('problem')[0], /^The log cannot be written \(.*\); messages are delivered and not stored\.$/)
  t.same(child.reports('state'), ['HUB_STORE_FAILED'])
  const duplicate = { offset: Number(child.reports('stored')[0]), duplicate: true, stored: true }
  t.same(JSON.parse(child.reports('again')[0] ?? ''), duplicate, 'keys are known on a full disk too')
  t.same(child.reports('gap'), ['true'])

  spawnSync('prlimit', ['--pid', readOpenPid(child), '--fsize=unlimited'])
  child.send('continue')
  await child.until('closed')
  t.same(await child.closed(), { code: 0, signal: null })
  t.equal(child.reports('problem')[1], 'null')
  t.equal(child.reports('state')[1], 'done')

  const engine = await openEngine(t, path)
  const found = new Set<Offset>()
  for (let after = 0; after < engine.head;) {
    const { messages, upTo } = await engine.read([{ address: ALL, after }], { messages: 500, bytes: 1e9 })
    for (const { offset } of messages) found.add(offset)
    after = upTo
  }
  const stored = child.reports('stored').map(Number)
  const allUnstored = child.reports('unstored').map(Number)
  t.same(stored.filter((offset) => !found.has(offset)), [], `the log has all ${stored.length} messages`)
  t.equal(child.reports('delivered').length, stored.length + allUnstored.length, 'each message was delivered')
  const { evicted } = await engine.summary({ address: ALL, after: 0 })
  const expected = { count: allUnstored.length, upTo: allUnstored.at(-1) }
  t.same(evicted, expected, 'the count of unstored messages survives a restart')
  t.same(await readAll(engine, [BOB]), { texts: ['for bob'], hasGap: false }, 'the other address has no gap')
  t.equal(await engine.state.get(['k']), 'done')
})

t.test('an offset is reserved on the disk before its message is delivered', async (t) => {
  const path = testFolder(t)
  let now = Date.UTC(2026, 0, 1)
  const engine = await openEngine(t, path, { now: () => now })
  const reserved = () => Math.max(...readFileSync(join(path, 'offsets'), 'latin1').replaceAll('\0', '').split('\n').map(Number))
  for (const stepMs of [0, 1, 29_000, 60_000, 86_400_000, -3_600_000]) {
    now += stepMs
    const { offset } = await engine.append({ address: ALL, payload: { kind: 'text', data: 'x' } })
    t.ok(reserved() >= offset, `after ${stepMs} ms`)
  }
  const { head } = engine
  await engine.close()
  t.equal(reserved(), head, 'close() returns the unused offsets')
})
function readOpenPid (child: Child): string {
  return child.reports('open')[0] ?? ''
}
