// A data folder whose large files are damaged, as after the repair of a file system: the program starts, names the loss,
// gives readers a gap and the intact messages, and stores again.
//
// The test runs the real program (`node dist/server.js`, so `npm run build` comes first). Takes over 10 s on a busy
// machine, because the program starts six times.

import { closeSync, ftruncateSync, openSync, readdirSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { HubProcess } from './hub-process.ts'
import { Random } from '../support/random.ts'
import { until } from '../support/helper.ts'
import { dial } from '../support/json-client.ts'

/** Bytes at the start of a file that stay intact. */
const INTACT_BYTES = 8192
const MESSAGES = 60
const random = new Random(1)

/** What becomes of the rest of a file. A cut file looks like a file whose last write was not complete. */
const DAMAGES: ReadonlyArray<readonly [title: string, how: (file: number, bytes: number) => void, signal: 'SIGKILL' | 'SIGTERM', isNamed: boolean]> = [
  ['noise', (file, bytes) => { writeSync(file, Buffer.from(Array.from({ length: bytes }, () => random.below(256))), 0, bytes, INTACT_BYTES) }, 'SIGKILL', true],
  ['zeros', (file, bytes) => { writeSync(file, Buffer.alloc(bytes), 0, bytes, INTACT_BYTES) }, 'SIGTERM', true],
  ['nothing', (file) => { ftruncateSync(file, INTACT_BYTES) }, 'SIGKILL', false]
]

/** Damages all large files below a folder; returns how many. */
function damage (folder: string, how: (file: number, bytes: number) => void): number {
  const large = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))).filter((path) => {
    const stats = statSync(path)
    return stats.isFile() && stats.size > 2 * INTACT_BYTES
  })
  for (const path of large) {
    const file = openSync(path, 'r+')
    how(file, statSync(path).size - INTACT_BYTES)
    closeSync(file)
  }
  return large.length
}

t.setTimeout(120_000)
for (const [title, how, signal, isNamed] of DAMAGES) {
  t.test(`with ${title} behind the first 8 KB of every large file, the service starts and stores again (after ${signal})`, async (t) => {
    const hub = await HubProcess.prepare(t, random, { engine: { path: 'log' } })
    t.ok(await hub.start())
    const text = (n: number) => `${n} ${'x'.repeat(3000)}`
    for (let n = 0; n < MESSAGES; n++) await hub.api('POST', '/users/bob/messages', { message: text(n) })
    await hub.end(signal)
    t.ok(damage(join(hub.folder, 'log'), how) > 0, 'there was something to damage')

    t.ok(await hub.start(), 'the next start succeeds')
    t.match(await hub.api('GET', '/readyz'), { status: 200 })
    if (isNamed) t.match(hub.faults.join('\n'), /damaged|missing|lost/, 'the log names the loss')
    t.match(await hub.api('POST', '/users/bob/messages', { message: 'after' }), { status: 202, body: { stored: true } })

    const bob = dial(t, `${hub.origin.replace('http', 'ws')}/admin/ws`, { user: 'bob' })
    const got: string[] = []
    await until(async () => {
      const frame = JSON.parse(String(await bob.next())) as { type: string, data?: string }
      if (frame.type === 'message') got.push(String(frame.data))
      return frame.data === 'after'
    }, 'the last message')
    t.same(got, [...Array.from({ length: got.length - 1 }, (_, n) => text(n)), 'after'], 'the intact messages arrive in order, then the new message')
    t.ok(got.length > 1 && got.length < MESSAGES, `${got.length - 1} messages are intact`)
  })
}
