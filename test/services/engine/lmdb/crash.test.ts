import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Offset } from '../../../../services/model/message.ts'
import { ALL, BOB, readAll } from '../../../engine-suite/engine-suite.ts'
import { Child } from './child-process.ts'
import { openEngine } from './kit.ts'

t.setTimeout(120_000)

const HOUR_MS = 3_600_000

t.test('a process that is killed loses nothing that it has called stored, and no offset is drawn twice, whatever the clock does', async (t) => {
  const path = t.testdir({})
  const stored = new Map<Offset, string>()
  const counted = new Map<string, number>()
  let highest = 0
  for (const [run, clock] of [0, 0, -HOUR_MS, HOUR_MS, -2 * HOUR_MS, 0, -1].entries()) {
    const child = new Child(t, ['talk', path, String(clock)])
    await child.until('stored', 20 + 37 * run)
    await child.kill()
    const handed = child.said('handed').map(Number)
    t.ok(Number(handed[0]) > highest, `run ${run}: its first offset is above all that were drawn before`)
    t.same(handed, [...new Set(handed)].sort((a, b) => a - b))
    highest = handed.at(-1) ?? 0
    for (const line of child.said('stored')) stored.set(Number.parseInt(line), line.slice(line.indexOf(' ') + 1))
    for (const line of child.said('counted')) {
      const [count = 0, speaker = 0] = line.split(' ').map(Number)
      counted.set(String(speaker), Math.max(count, counted.get(String(speaker)) ?? 0))
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
  const lost = [...stored].filter(([offset, text]) => found.get(offset) !== text)
  t.same(lost, [], `all of ${stored.size} are there`)
  t.ok(stored.size >= 20 * 7)
  t.equal(counted.size, 5)
  for (const [speaker, count] of counted) t.ok(Number(await engine.state.get(`speaker ${speaker}`)) >= count, 'values too')
})

t.test('no offset is drawn twice when a process is killed before anything it handed out was on the disk', async (t) => {
  const path = t.testdir({})
  let highest = 0
  for (const clock of [0, -1000, -HOUR_MS, -2 * HOUR_MS]) {
    const child = new Child(t, ['hand', path, String(clock)])
    t.equal((await child.ended()).signal, 'SIGKILL')
    const handed = child.said('handed').map(Number)
    t.equal(handed.length, 100)
    t.ok(Number(handed[0]) > highest)
    highest = handed.at(-1) ?? 0
  }
  const engine = await openEngine(t, path)
  t.same((await readAll(engine, [ALL])).texts, [], 'nothing was')
})

const hasLimits = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0

t.test('a full disk: messages are delivered and not stored, a gap is reported, and all goes on by itself when there is room', { skip: hasLimits ? false : 'It takes Linux and prlimit (util-linux) to limit what a process may write, and to end the limit.' }, async (t) => {
  const path = t.testdir({})
  const child = new Child(t, ['fill', path], 'ulimit -S -f 8192')
  await child.until('gap')
  const lost = child.said('lost').map(Number)
  t.ok(child.said('stored').length >= 100)
  t.ok(lost.length > 0)
  t.match(child.said('problem')[0], /^The log in .* cannot be written \(.*\); messages are delivered and not stored\.$/)
  t.same(child.said('state'), ['HUB_STORE_FAILED'])
  t.same(JSON.parse(child.said('again')[0] ?? ''), { offset: Number(child.said('stored')[0]), duplicate: true, stored: true }, 'keys are known all the same')
  t.same(child.said('gap'), ['true'])

  spawnSync('prlimit', ['--pid', readOpenPid(child), '--fsize=unlimited'])
  child.tell('go on')
  await child.until('closed')
  t.same(await child.ended(), { code: 0, signal: null })
  t.equal(child.said('problem')[1], 'null')
  t.equal(child.said('state')[1], 'done')

  const engine = await openEngine(t, path)
  const found = new Set<Offset>()
  for (let after = 0; after < engine.head;) {
    const { messages, upTo } = await engine.read([{ address: ALL, after }], { messages: 500, bytes: 1e9 })
    for (const { offset } of messages) found.add(offset)
    after = upTo
  }
  const stored = child.said('stored').map(Number)
  t.same(stored.filter((offset) => !found.has(offset)), [], `all of ${stored.length} are there`)
  t.equal(child.said('handed').length, child.said('stored').length + child.said('lost').length, 'followers got every one')
  const { evicted } = await engine.summary({ address: ALL, after: 0 })
  t.same(evicted, { count: child.said('lost').length, upTo: Number(child.said('lost').at(-1)) }, 'what was lost is known after a restart')
  t.same(await readAll(engine, [BOB]), { texts: ['for bob'], hasGap: false }, 'and at no other address')
  t.equal(await engine.state.get('k'), 'done')
})

function readOpenPid (child: Child): string {
  return child.said('open')[0] ?? ''
}

t.test('what was drawn is on the disk before a message is handed out', async (t) => {
  const path = t.testdir({})
  let now = Date.UTC(2026, 0, 1)
  const engine = await openEngine(t, path, { now: () => now })
  const reserved = () => Math.max(...readFileSync(join(path, 'offsets'), 'latin1').replaceAll('\0', '').split('\n').map(Number))
  for (const leap of [0, 1, 29_000, 60_000, 86_400_000, -3_600_000]) {
    now += leap
    const { offset } = await engine.append({ address: ALL, payload: { kind: 'text', data: 'x' } })
    t.ok(reserved() >= offset, `after ${leap} ms`)
  }
  const { head } = engine
  await engine.close()
  t.equal(reserved(), head, 'what was not drawn is given back')
})
