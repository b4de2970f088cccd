import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { packagePath } from '../services/package.ts'
import { GREETING, TestClient, until } from './helper.ts'

/** What each folder of examples/ shows, on a process that runs it. */
const CHECKS: Record<string, (t: Test, start: Start) => Promise<void>> = { plugin }

/** Starts the example; `found` is the first group of `ready` in what it prints. `stop` ends it with SIGTERM. */
type Start = (env: Record<string, string>, ready: RegExp) => Promise<{ found: string, stop: () => Promise<void> }>

for (const { name } of readdirSync(packagePath('examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  t.test(`the example "${name}" does what it says`, async (t) => {
    const check = CHECKS[name]
    if (check === undefined) return t.fail('give it a check in test/examples.test.ts')
    await check(t, starter(t, name))
  })
}

/** The example, started with the command in the head of its app.js, in a folder of its own: it has a log there. */
function starter (t: Test, name: string): Start {
  return async (env, ready) => {
    const [, command = ''] = /^\/\/ {3}node (\S+)$/m.exec(readFileSync(packagePath('examples', name, 'app.js'), 'utf8')) ?? []
    const child = spawn(process.execPath, [packagePath(command)], { cwd: t.testdir({}), env: { ...process.env, ...env } })
    t.teardown(() => child.kill('SIGKILL'))
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString() })
    await until(() => ready.test(output) || child.exitCode !== null, 'what the example prints')
    const [, found] = ready.exec(output) ?? []
    if (found === undefined) throw new Error(`The example did not start (npm run build comes first): ${output}`)
    const stop = async () => {
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      t.same(await exit, [0, null], 'it ends in order')
    }
    return { found, stop }
  }
}

async function plugin (t: Test, start: Start): Promise<void> {
  const { found: url, stop } = await start({ PORT: '0', CLOCK_INTERVAL_MS: '20' }, /'(ws:\/\/\S+)'/)
  const { origin, searchParams } = new URL(url.replace('ws', 'http'))
  const token = searchParams.get('token') ?? ''
  const terminal = new TestClient(new WebSocket(url))
  const browser = new TestClient(new WebSocket(`${origin.replace('http', 'ws')}/live`, ['hub.raw', `bearer.${token}`], { origin }))
  t.teardown(() => { for (const { socket } of [terminal, browser]) socket.terminate() })

  for (const client of [terminal, browser]) {
    t.equal(await client.next(), GREETING)
    const [first, second] = [await client.next(), await client.next()].map((tick) => (JSON.parse(String(tick)) as { time: string }).time)
    t.ok(Date.parse(first ?? '') < Date.parse(second ?? ''), 'time goes on')
  }
  t.same(await (await fetch(`${origin}/readers`)).json(), { readers: 2 })
  t.match(await (await fetch(origin)).text(), /new WebSocket\(/)
  const ends = [terminal.closed(), browser.closed()]
  await stop()
  t.match(await Promise.all(ends), [{ code: 1012 }, { code: 1012 }])
}
