import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { fastifyHub } from '../../../index.ts'
import { FailedAttempts, networkOf } from '../../../services/auth/failed-attempts.ts'
import { HubError } from '../../../services/model/errors.ts'
import { api, connect, IN_MEMORY, listen, until } from '../../support/helper.ts'
import { handshake, rawRequest } from '../../support/raw-client.ts'

const MISSING = new HubError('HUB_TOKEN_MISSING', 'Send a token.')

function newAttempts (perSecond: number) {
  const clock = { now: 1000, wall: () => 0, steady: () => clock.now }
  const attempts = new FailedAttempts(perSecond, clock)
  const codeFor = (address: string): string => (attempts.count(MISSING, address) as HubError).code
  return { attempts, clock, codeFor }
}

t.test('requests without a valid token are limited by address on every route, and a valid token passes', async (t) => {
  const { origin, port, url } = await listen(t, { auth: { failuresPerSecond: 1 } })
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
  t.match(await rawRequest(port, get('/clients')), /HUB_TOKEN_MISSING/)
  const routes: Array<[request: string, response: RegExp]> = [
    [get(`/clients?token=${'x'.repeat(40)}`), /^HTTP\/1.1 429 .*retry-after: 1\r.*HUB_TOO_MANY_ATTEMPTS/s],
    [handshake({}), /^HTTP\/1.1 429 .*HUB_TOO_MANY_ATTEMPTS/s],
    [get('/admin/events'), /^HTTP\/1.1 200 .*event: goodbye\nretry: \d+\ndata: HUB_TOO_MANY_ATTEMPTS\n\n/s]
  ]
  for (const [request, response] of routes) await until(async () => response.test(await rawRequest(port, request)), request)
  t.equal((await api(origin, 'GET', '/clients')).status, 200)
  await connect(t, url)
})

t.test('a token check of the application does not run for an address over the limit', async (t) => {
  const app = Fastify({ trustProxy: true })
  t.teardown(() => app.close())
  const checked: Array<string | null> = []
  const authenticate = async (bearer: string | null) => {
    checked.push(bearer)
    return bearer === 'good' ? { user: 'alice', roles: ['admin'] } : null
  }
  await app.register(fastifyHub, { ...IN_MEMORY, authenticate, api: true, auth: { failuresPerSecond: 1 } })
  await app.ready()
  const ask = async (bearer: string, address: string): Promise<number> => {
    const headers = { authorization: `Bearer ${bearer}`, 'x-forwarded-for': address }
    return (await app.inject({ url: '/clients', headers })).statusCode
  }
  const statuses = []
  for (const suffix of ['1', '2', '3', 'ffff:0:1']) statuses.push(await ask('bad', `2001:db8:0:1::${suffix}`))
  t.same(statuses, [401, 429, 429, 429], 'of one network of IPv6')
  t.equal(checked.length, 1)
  t.equal(await ask('good', '2001:db8:0:1::4'), 429)
  t.same([await ask('good', '2001:db8:0:2::1'), await ask('good', '192.0.2.1')], [200, 200])
})

t.test('a failure of the token check itself is no failed attempt', async (t) => {
  const { attempts } = newAttempts(1)
  const failed = new HubError('HUB_STORE_FAILED', 'The sessions cannot be read.')
  for (let n = 0; n < 5; n++) t.equal(attempts.count(failed, '192.0.2.1'), failed)
  t.equal(attempts.count(MISSING, '192.0.2.1'), MISSING)
})

t.test('the limit recovers with time, and 0 is no limit', async (t: Test) => {
  const { clock, codeFor } = newAttempts(2)
  const next = () => codeFor('192.0.2.1')
  t.same([next(), next(), next()], ['HUB_TOKEN_MISSING', 'HUB_TOKEN_MISSING', 'HUB_TOO_MANY_ATTEMPTS'])
  clock.now += 500
  t.same([next(), next()], ['HUB_TOKEN_MISSING', 'HUB_TOO_MANY_ATTEMPTS'])
  const without = newAttempts(0)
  t.same(new Set(Array.from({ length: 1000 }, () => without.codeFor('192.0.2.1'))), new Set(['HUB_TOKEN_MISSING']))
})

t.test('of many addresses, the one without an attempt for longest is forgotten', async (t) => {
  const { codeFor } = newAttempts(2)
  for (let n = 0; n < 5000; n++) codeFor(`10.0.${n >> 8}.${n & 255}`)
  const busy = [codeFor('192.0.2.1'), codeFor('192.0.2.1')]
  for (let n = 0; n < 9000; n++) codeFor(`10.1.${n >> 8}.${n & 255}`)
  t.same([...busy, codeFor('192.0.2.1')], ['HUB_TOKEN_MISSING', 'HUB_TOKEN_MISSING', 'HUB_TOO_MANY_ATTEMPTS'])
  for (let n = 0; n < 10_000; n++) codeFor(`10.2.${n >> 8}.${n & 255}`)
  t.equal(codeFor('192.0.2.1'), 'HUB_TOKEN_MISSING')
})

t.test('an address belongs to one network, however it is written', async (t) => {
  const networks: Array<[address: string | undefined, network: string]> = [
    ['192.0.2.1', '192.0.2.1'], ['::ffff:192.0.2.1', '192.0.2.1'], ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'], ['2001:0DB8:0001:0002::', '2001:db8:1:2'], ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:1:2::192.0.2.1', '2001:db8:1:2'], ['fe80::1%eth0', 'fe80:0:0:0'], ['::1', '0:0:0:0'], ['::', '0:0:0:0'],
    ['1::2:3:4:5:6:7', '1:0:2:3'], ['', ''], [undefined, ''], ['x'.repeat(10_000), ''], ['unknown', '']
  ]
  t.same(networks.map(([address]) => networkOf(address)), networks.map(([, network]) => network))
})
