// Refusals that a page learns from a close code, because browsers hide the HTTP response to an upgrade.
import Fastify from 'fastify'
import { createSigner } from 'fast-jwt'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { fastifyHub, HubError } from '../../../index.ts'
import type { ConfigInput } from '../../../services/config/input.ts'
import { browserMissing, openPage } from '../../support/browser.ts'
import { GREETING, IN_MEMORY, listen, TestClient, token, until } from '../../support/helper.ts'
import { PLAIN, refusal, RELIABLE } from '../../support/json-client.ts'

/** Starts to connect as a page does, and resolves with the refusal. */
function tryToConnect (t: Test, url: string, protocols: string[], options = {}) {
  const client = new TestClient(new WebSocket(url, protocols, options))
  t.teardown(() => client.socket.terminate())
  return refusal(client)
}

/** Starts to connect with the token in the subprotocols. */
function dial (t: Test, url: string, bearer: string, subprotocol = 'hub.raw') {
  return tryToConnect(t, url, [subprotocol, `bearer.${bearer}`])
}

/** The reason of a close code: the error code, then a sentence. */
const begins = (code: string): RegExp => new RegExp(`^${code}: [A-Z].*\\.$`)

t.test('a refused client with a well-signed token learns the reason from the close code', async (t) => {
  const expired = token({ ttlSeconds: -1 })
  await t.test('an expired token', async (t) => {
    const { app, url, log } = await listen(t)
    for (const subprotocol of ['hub.raw', PLAIN, RELIABLE]) {
      const end = await dial(t, url, expired, subprotocol)
      t.match(end, { status: 101, code: 4401, reason: begins('HUB_TOKEN_EXPIRED') }, subprotocol)
    }
    t.match(await tryToConnect(t, `${url}?token=${expired}`, ['hub.raw']), { status: 101, code: 4401 }, 'wherever the token is')
    t.equal(app.hub.size, 0)
    const lines = log.lines.filter(({ msg }) => msg === 'connection refused')
    t.equal(lines.length, 4)
    t.match(lines[0], { closeCode: 4401, reason: begins('HUB_TOKEN_EXPIRED') })
    t.notOk(log.text.includes(expired))
  })
  const full: Array<[what: string, code: string, websocket: ConfigInput['websocket']]> = [
    ['a full service', 'HUB_FULL', { maxClients: 1 }],
    ['a user with too many connections', 'HUB_USER_FULL', { maxClientsPerUser: 1 }],
    ['too many new connections', 'HUB_TOO_MANY_UPGRADES', { upgradesPerSecond: 1 }]
  ]
  for (const [what, code, websocket] of full) {
    await t.test(what, async (t) => {
      const { app, url } = await listen(t, { websocket })
      const first = new TestClient(new WebSocket(`${url}?token=${token()}`))
      t.teardown(() => first.socket.terminate())
      await first.next()
      t.match(await dial(t, url, token()), { status: 101, code: 1013, reason: begins(code) })
      t.equal(app.hub.size, 1)
    })
  }
  await t.test('a service that stops', async (t) => {
    const { app, url } = await listen(t, { websocket: { drain: { grace: '3s' } } })
    const frozen = new TestClient(new WebSocket(`${url}?token=${token()}`))
    await frozen.next()
    frozen.socket.pause()
    const closing = app.close()
    await until(() => app.hub.state !== 'ready')
    t.match(await dial(t, url, token()), { status: 101, code: 1013, reason: begins('HUB_DRAINING') })
    frozen.socket.terminate()
    await closing
  })
  await t.test('a mailbox of another user', async (t) => {
    const { origin } = await listen(t, { compat: { pushMessage: 'token' } })
    const other = `${origin.replace('http', 'ws')}/client/bob`
    t.match(await dial(t, other, token()), { status: 101, code: 4403, reason: begins('HUB_FORBIDDEN') })
  })
  await t.test('a token check of the application', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const authenticate = (bearer: string | null) => bearer === null ? null : { user: bearer, roles: [] }
    await app.register(fastifyHub, { ...IN_MEMORY, authenticate, websocket: { maxClientsPerUser: 1 } })
    const url = `${(await app.listen({ port: 0 })).replace('http', 'ws')}/admin/ws`
    const first = new TestClient(new WebSocket(url, ['hub.raw', 'bearer.bob']))
    t.teardown(() => first.socket.terminate())
    await first.next()
    t.match(await dial(t, url, 'bob'), { status: 101, code: 1013 })
  })
})

t.test('an error of the application before there is an identity is an HTTP response', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const authenticate = () => { throw new HubError('HUB_STORE_FAILED', 'The sessions cannot be read.') }
  await app.register(fastifyHub, { ...IN_MEMORY, authenticate })
  const url = `${(await app.listen({ port: 0 })).replace('http', 'ws')}/admin/ws`
  t.same(await tryToConnect(t, url, ['hub.raw']), { status: 503, code: 'HUB_STORE_FAILED' })
})

t.test('every other refusal is an HTTP response before the upgrade', async (t) => {
  const { url } = await listen(t, { websocket: { maxClients: 1 } })
  const first = new TestClient(new WebSocket(`${url}?token=${token()}`))
  t.teardown(() => first.socket.terminate())
  await first.next()
  const forged = createSigner({ key: 'x'.repeat(32) })({ sub: 'alice' })
  t.same(await dial(t, url, forged), { status: 401, code: 'HUB_TOKEN_INVALID' }, 'of a token of another issuer')
  t.same(await tryToConnect(t, url, ['hub.raw']), { status: 401, code: 'HUB_TOKEN_MISSING' })
  t.same(await tryToConnect(t, `${url}?token=${token()}`, []), { status: 503, code: 'HUB_FULL' }, 'of a client without a subprotocol')
  t.same(await tryToConnect(t, `${url}?token=${token()}`, ['chat']), { status: 400, code: 'HUB_HANDSHAKE_INVALID' }, 'of one with another')
  const foreign = await tryToConnect(t, url, ['hub.raw', `bearer.${token()}`], { origin: 'https://evil.example' })
  t.same(foreign, { status: 403, code: 'HUB_ORIGIN_REFUSED' }, 'of a page of a foreign origin')
})

t.test('clients without a valid token do not spend the rates of the others', async (t) => {
  const flood = async (t: Test, url: string): Promise<void> => {
    const events = url.replace('ws:', 'http:').replace('/ws', '/events')
    const forged = createSigner({ key: 'x'.repeat(32) })({ sub: 'alice' })
    const [expired, claim] = [token({ ttlSeconds: -1 }), '?awps_connection_id=x&awps_reconnection_token=y']
    await Promise.all([
      ...[forged, expired].flatMap((bearer) => [dial(t, url, bearer), dial(t, url + claim, bearer), fetch(`${events}?token=${bearer}`)]),
      tryToConnect(t, url, ['hub.raw']), tryToConnect(t, url + claim, []), fetch(events)
    ])
  }
  await t.test('the rate of new connections', async (t) => {
    const { url } = await listen(t, { websocket: { upgradesPerSecond: 1 } })
    await flood(t, url)
    const first = new TestClient(new WebSocket(`${url}?token=${token()}`))
    t.teardown(() => first.socket.terminate())
    await first.next()
    t.match(await dial(t, url, token()), { code: 1013, reason: begins('HUB_TOO_MANY_UPGRADES') })
    t.match(await dial(t, url, token()), { status: 429, code: 'HUB_TOO_MANY_UPGRADES' }, 'refusals as a close code have a rate of their own')
  })
  await t.test('the rate of refusals of a full service', async (t) => {
    const { url } = await listen(t, { websocket: { maxClients: 1, upgradesPerSecond: 1 } })
    const first = new TestClient(new WebSocket(`${url}?token=${token()}`))
    t.teardown(() => first.socket.terminate())
    await first.next()
    await flood(t, url)
    t.match(await dial(t, url, token()), { code: 1013, reason: begins('HUB_FULL') })
    t.match(await dial(t, url, token()), { status: 503, code: 'HUB_FULL' })
  })
  await t.test('that of endpoints without a token check', async (t) => {
    const { url, origin } = await listen(t, { websocket: { upgradesPerSecond: 1 }, compat: { ginServer: 'open', learnGin: 'open' } })
    const open = (path: string) => tryToConnect(t, origin.replace('http', 'ws') + path, [])
    const ends = [open('/ws'), open('/echo')]
    t.match(await Promise.race(ends), { status: 429, code: 'HUB_TOO_MANY_UPGRADES' }, 'one of the two')
    t.equal(await new TestClient(new WebSocket(`${url}?token=${token()}`)).next(), GREETING)
  })
})

t.test('attempts to resume count for the rate of new connections, also at a full service', async (t) => {
  const { url } = await listen(t, { websocket: { maxClients: 1, upgradesPerSecond: 2 } })
  const first = new TestClient(new WebSocket(`${url}?token=${token()}`))
  t.teardown(() => first.socket.terminate())
  await first.next()
  const claim = `${url}?awps_connection_id=x&awps_reconnection_token=y`
  const ends = await Promise.all(Array.from({ length: 8 }, () => dial(t, claim, token(), RELIABLE)))
  t.ok(ends.some(({ code }) => code === 1008))
  t.ok(ends.some(({ status, code }) => status === 429 && code === 'HUB_TOO_MANY_UPGRADES'))
})

t.test('a page in Chromium sees the codes', { skip: browserMissing() }, async (t) => {
  const { url, origin } = await listen(t, { websocket: { maxClientsPerUser: 1 } })
  const { page } = await openPage(t, `${origin}/favicon.svg`)
  const codes = await page.evaluate(`(async () => {
    const end = (bearer) => new Promise((resolve) => {
      const socket = new WebSocket(${JSON.stringify(url)}, ['hub.raw', 'bearer.' + bearer])
      socket.onclose = ({ code, reason }) => resolve([code, reason.split(':')[0]])
    })
    const present = new WebSocket(${JSON.stringify(url)}, ['hub.raw', ${JSON.stringify(`bearer.${token()}`)}])
    await new Promise((resolve) => { present.onmessage = resolve })
    return [await end(${JSON.stringify(token({ ttlSeconds: -1 }))}), await end(${JSON.stringify(token())}), await end('x'.repeat(30))]
  })()`)
  t.same(codes, [[4401, 'HUB_TOKEN_EXPIRED'], [1013, 'HUB_USER_FULL'], [1006, '']])
})
