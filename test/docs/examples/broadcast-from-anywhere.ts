import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { browserMissing, openPage } from '../../support/browser.ts'
import { GREETING, TestClient } from '../../support/helper.ts'
import type { Example } from './example.ts'

/** The clock publishes to a client in a terminal and to a client in a browser, and a route publishes to both. */
export async function broadcastFromAnywhere (t: Test, example: Example): Promise<void> {
  const app = example.run('app.js', { PORT: '0', CLOCK_INTERVAL_MS: '20' })
  const url = await app.waitForOutput(/'(ws:\/\/\S+)'/)
  const { origin, searchParams } = new URL(url.replace('ws', 'http'))
  const token = searchParams.get('token') ?? ''
  const terminal = new TestClient(new WebSocket(url))
  const browser = new TestClient(new WebSocket(`${origin.replace('http', 'ws')}/live`, ['hub.raw', `bearer.${token}`], { origin }))
  t.teardown(() => { for (const { socket } of [terminal, browser]) socket.terminate() })

  for (const client of [terminal, browser]) {
    t.equal(await client.next(), GREETING)
    const [first, second] = [await next(client, 'time'), await next(client, 'time')]
    t.ok(Date.parse(first) < Date.parse(second), 'the time rises')
  }
  t.same(await (await fetch(`${origin}/readers`)).json(), { readers: 2 })

  t.same(await (await fetch(`${origin}/lap`, { method: 'POST' })).json(), { told: 2 })
  t.equal(await next(terminal, 'lap'), await next(browser, 'lap'), 'the route publishes to both clients')

  await t.test('the page shows the time and the laps', { skip: browserMissing() }, async (t) => {
    const { page, problems, shows } = await openPage(t, await app.waitForOutput(/(http:\/\/\S+)/))
    await shows('h1', /^\d{4}-.*Z$/)
    await page.click('button')
    await shows('li', await next(terminal, 'lap'))
    t.same(problems, [])
  })

  const ends = [terminal.closed(), browser.closed()]
  t.equal(await app.stop(), 0, 'the program closes in order')
  t.match(await Promise.all(ends), [{ code: 1012 }, { code: 1012 }])
}

/** Resolves with the field of the next frame that has it, and drops earlier frames. */
async function next (client: TestClient, field: 'time' | 'lap'): Promise<string> {
  for (;;) {
    const { [field]: value } = JSON.parse(String(await client.next())) as Record<string, string>
    if (value !== undefined) return value
  }
}
