// Takes docs/console.png, the picture of the console in the README: `npx tsx scripts/screenshot.ts`. Needs Chromium.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import { app, serverOptions } from '../app.ts'
import { completeConfig } from '../services/config/load.ts'
import { createToken } from '../services/token.ts'
import { launchBrowser } from '../test/browser.ts'

const PICTURE = fileURLToPath(new URL('../docs/console.png', import.meta.url))

const CLIENTS = [
  { user: 'alice', roles: ['trader'], address: '203.0.113.24', minutesAgo: 194, says: 12 },
  { user: 'bob', roles: [], address: '198.51.100.7', minutesAgo: 71, says: 3 },
  { user: 'carol', roles: ['support'], address: '2001:db8::1f', minutesAgo: 26, says: 41 },
  { user: 'bob', roles: [], address: '192.0.2.145', minutesAgo: 8, says: 5 }
]

// Not everything in the picture shall happen in the same second, so service and page live in the past for a while. On the
// way back the service must not take its clients for silent, hence no read deadline, nor their tokens for expired.
const realNow = Date.now
let pastMs = 0
Date.now = () => realNow() - pastMs

const auth = { secret: randomBytes(32).toString('base64url') }
const config = completeConfig({ auth, logger: { level: 'silent' }, server: { trustProxy: 'true' }, websocket: { readDeadline: 0 } })
const service = Fastify(serverOptions(config))
await service.register(app, { config })
const origin = await service.listen({ port: 0, host: '127.0.0.1' })
const browser = await launchBrowser()
const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, deviceScaleFactor: 1, colorScheme: 'light' })

for (const { user, roles, address, minutesAgo, says } of CLIENTS) {
  await goTo(minutesAgo)
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/admin/ws`, { headers: { authorization: `Bearer ${tokenOf(user, roles)}`, 'x-forwarded-for': address } })
  await once(socket, 'message')
  for (let said = 0; said < says; said++) {
    socket.send(`message ${said}`)
    await once(socket, 'message')
  }
}

await goTo(4.2)
await page.goto(`${origin}/#token=${tokenOf('operator', ['admin'])}`)
await entries(2)
await goTo(3.4)
await service.hub.broadcast('Good morning! Market data is live.')
await entries(3)
await goTo(2.7)
await service.hub.broadcast({ symbol: 'ACME', bid: 101.32, ask: 101.35 })
await entries(4)
await goTo(1.9)
await page.fill('#message', 'ping from the console')
await page.click('#send')
await entries(6)
await goTo(1.1)
await service.hub.send({ user: 'operator' }, { alert: 'disk 81 % full', node: 'eu-2' })
await entries(7)
await goTo(0.6)
await service.hub.broadcast({ symbol: 'ACME', bid: 101.34, ask: 101.38 })
await entries(8)
await goTo(0)
await page.fill('#broadcast-message', 'The service restarts at 18:00 UTC; you will be reconnected.')
await page.click('#broadcast-button')
await page.waitForSelector('#receipt:not(:empty)')
await entries(9)
await page.click('#clients-refresh')
await page.getByRole('cell', { name: '4 min', exact: true }).waitFor()
await page.locator('#clients-refresh').blur()
await page.mouse.move(0, 0)

await page.screenshot({ path: PICTURE, animations: 'disabled' })
await browser.close()
await service.close()

/** Sets the clocks of the service and of the page. */
async function goTo (minutesAgo: number): Promise<void> {
  pastMs = minutesAgo * 60_000
  await page.clock.setFixedTime(Date.now())
}

/** Waits until the page's log has this many entries. */
async function entries (count: number): Promise<void> {
  await page.locator('.entry').nth(count - 1).waitFor()
}

function tokenOf (user: string, roles: string[]): string {
  return createToken(auth, { user, roles, ttlSeconds: 24 * 3600 })
}
