// Takes docs/console.png, the screenshot of the console in the README: `npx tsx scripts/screenshot.ts`. Needs Chromium.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import { app, serverOptions } from '../app.ts'
import { completeConfig } from '../services/config/load.ts'
import { createToken } from '../services/auth/token.ts'
import { launchBrowser } from '../test/support/browser.ts'
import { until } from '../test/support/helper.ts'

const PICTURE = fileURLToPath(new URL('../docs/console.png', import.meta.url))
const RELIABLE = 'json.reliable.webpubsub.azure.v1'

const CLIENTS = [
  { user: 'alice', roles: ['trader'], groups: ['orders', 'prices/eu'], protocol: RELIABLE, address: '203.0.113.24', minutesAgo: 194, messages: 12 },
  { user: 'bob', roles: [], groups: ['prices/eu'], protocol: 'sse', address: '198.51.100.7', minutesAgo: 71, messages: 0 },
  { user: 'carol', roles: ['support'], groups: ['on-call', 'orders', 'prices/eu', 'prices/us'], protocol: 'raw', address: '2001:db8::1f', minutesAgo: 26, messages: 41 },
  { user: 'bob', roles: [], groups: ['prices/eu'], protocol: RELIABLE, address: '192.0.2.145', minutesAgo: 8, messages: 5 },
  { user: 'erin', roles: ['trader'], groups: [], protocol: 'raw', address: '203.0.113.61', minutesAgo: 6, messages: 2 }
]

// The clocks of service and page start in the past and advance between the steps, so that the times in the screenshot
// differ.
// The service has no read deadline, and tokens are valid for a day, so that the jumps of the clock end no connection.
const realNow = Date.now
let pastMs = 200 * 60_000
Date.now = () => realNow() - pastMs

const auth = { secret: randomBytes(32).toString('base64url') }
const config = completeConfig({ auth, engine: { kind: 'memory' }, logger: { level: 'silent' }, server: { trustProxy: 'true' }, websocket: { readDeadline: 0 } })
const service = Fastify(serverOptions(config))
await service.register(app, { config })
const origin = await service.listen({ port: 0, host: '127.0.0.1' })
const { hub } = service
const browser = await launchBrowser()
const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, deviceScaleFactor: 1, colorScheme: 'light' })
const streams = new AbortController()

for (const client of CLIENTS.slice(0, 3)) await connect(client)
await readInbox('dave', { device: 'phone', minutesAgo: 24 })
await readInbox('dave', { device: '', minutesAgo: 9 })
for (const client of CLIENTS.slice(3)) await connect(client)
for (const [minutesAgo, text] of [[5.4, 'Your order 4711 was filled.'], [3.1, 'Your order 4712 was filled.'], [1.4, 'Margin call: see your account.']] as const) {
  await goTo(minutesAgo)
  await hub.send({ user: 'dave' }, text)
}

await goTo(4.2)
await page.goto(`${origin}/#token=${tokenOf('operator', ['admin'])}`)
await entries(2)
await goTo(3.4)
await hub.broadcast('Good morning! Market data is live.')
await entries(3)
await goTo(2.7)
await hub.broadcast({ symbol: 'ACME', bid: 101.32, ask: 101.35 })
await entries(4)
await goTo(1.9)
await page.fill('#message', 'ping from the console')
await page.click('#send')
await entries(6)
await goTo(1.1)
await hub.send({ user: 'operator' }, { alert: 'disk 81 % full', node: 'eu-2' })
await entries(7)
await goTo(0.6)
await hub.broadcast({ symbol: 'ACME', bid: 101.34, ask: 101.38 })
await entries(8)
await page.selectOption('#target', 'group')
await page.fill('#target-id', 'prices/eu')
await page.fill('#broadcast-message', 'Trading in ACME halts at 17:30 CET.')
await page.click('#broadcast-button')
await page.waitForSelector('#receipt:not(:empty)')
await goTo(0)
await page.fill('#inbox-field', 'dave')
await page.click('#inbox-form button')
await page.waitForSelector('#inbox-answer:not([hidden])')
await until(async () => {
  await page.click('#receipt-message-status')
  return await page.locator('#message-status-users [data-status=acknowledged]').count() === 2
}, 'the acknowledgements')
await page.click('#groups-refresh')
await page.click('#clients-refresh')
await page.getByText('4 min', { exact: true }).waitFor()
await page.evaluate('document.activeElement.blur()')
await page.mouse.move(0, 0)

await page.screenshot({ path: PICTURE, animations: 'disabled', fullPage: true })
await browser.close()
streams.abort()
await service.close()

/** Connects a client, makes the client a member of its groups, and sends its messages. */
async function connect ({ user, roles, groups, protocol, address, minutesAgo, messages }: typeof CLIENTS[number]): Promise<void> {
  await goTo(minutesAgo)
  const before = hub.size
  const headers = { authorization: `Bearer ${tokenOf(user, roles)}`, 'x-forwarded-for': address }
  if (protocol === 'sse') await openEventStream(headers)
  else await sendMessages(protocol, headers, messages)
  await until(() => hub.size > before)
  const { clients } = await hub.clients({ user })
  const id = clients.at(-1)?.id ?? ''
  for (const group of groups) await hub.join(id, group)
}

async function openEventStream (headers: Record<string, string>): Promise<void> {
  const { body } = await fetch(`${origin}/admin/events`, { headers, signal: streams.signal })
  body?.pipeTo(new WritableStream()).catch(() => {}) // The stream is aborted at the end.
}

async function sendMessages (protocol: string, headers: Record<string, string>, count: number): Promise<void> {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/admin/ws`, protocol === 'raw' ? [] : [protocol], { headers })
  await once(socket, 'message')
  if (protocol === 'raw') {
    for (let n = 0; n < count; n++) {
      socket.send(`message ${n}`)
      await once(socket, 'message')
    }
    return
  }
  socket.on('message', (data) => {
    const { sequenceId } = JSON.parse((data as Buffer).toString()) as { sequenceId?: number }
    if (sequenceId !== undefined) socket.send(JSON.stringify({ type: 'sequenceAck', sequenceId }))
  })
  for (let n = 0; n < count; n++) {
    socket.send('{"type":"ping"}')
    await once(socket, 'message')
  }
}

/** Connects a device, waits until the device has acknowledged one message, and disconnects. */
async function readInbox (user: string, { device, minutesAgo }: { device: string, minutesAgo: number }): Promise<void> {
  await goTo(minutesAgo + 1)
  await hub.send({ user }, 'Your order was filled.')
  await goTo(minutesAgo)
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/admin/ws?device=${device}`, { headers: { authorization: `Bearer ${tokenOf(user, [])}` } })
  await once(socket, 'message')
  await until(async () => (await hub.inbox(user)).cursors.some((one) => one.device === device && one.acknowledged > 0), 'the acknowledgement')
  const before = hub.size
  socket.terminate()
  await until(() => hub.size < before)
}

/** Sets the clocks of the service and of the page to a time before now. */
async function goTo (minutesAgo: number): Promise<void> {
  pastMs = minutesAgo * 60_000
  await page.clock.setFixedTime(Date.now())
}

/** Waits until the page's log has a number of entries. */
async function entries (count: number): Promise<void> {
  await page.locator('.entry').nth(count - 1).waitFor()
}

function tokenOf (user: string, roles: string[]): string {
  return createToken(auth, { user, roles, ttlSeconds: 24 * 3600 })
}
