import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSigner } from 'fast-jwt'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { fastifyHub } from '../../../index.ts'
import { completeConfig } from '../../../services/config/load.ts'
import { createDemoTokenCheck, createTokenCheck } from '../../../services/auth/token.ts'
import { connect, GREETING, IN_MEMORY, listen, SECRET, TestClient, token, until } from '../../support/helper.ts'
import { handshake, rawRequest } from '../../support/raw-client.ts'

/** How an upgrade is answered: the status and the JSON body of a refusal, or 101. */
async function attempt (t: Test, url: string, { protocols, ...options }: { protocols?: string[], headers?: Record<string, string>, origin?: string } = {}) {
  const socket = new WebSocket(url, protocols ?? [], options)
  t.teardown(() => socket.terminate())
  return new Promise<{ status: number, code?: string, retryAfter?: string | undefined, protocol?: string }>((resolve, reject) => {
    socket.on('open', () => resolve({ status: 101, protocol: socket.protocol }))
    socket.on('error', reject)
    socket.on('unexpected-response', (_request, response) => {
      response.setEncoding('utf8')
      let body = ''
      response.on('data', (chunk: string) => { body += chunk })
      response.on('end', () => {
        const { code } = JSON.parse(body) as { code: string }
        resolve({ status: response.statusCode ?? 0, code, retryAfter: response.headers['retry-after'] })
      })
    })
  })
}

/** Claims that name no time. JSON can hold numbers beyond those of JavaScript. */
const IMPOSSIBLE_TIMES = ['exp', 'nbf', 'iat'].flatMap((claim) => ['1e306', '-1e306', '1e999', '8.64e12001', 'null', '"1e9"', '[1]', '{}', 'true'].map((time) => [claim, time] as const))

/** A JWT with claims as their JSON, which a library would not sign. */
function signJson (claims: string): string {
  const [head, body] = ['{"alg":"HS256","typ":"JWT"}', claims].map((part) => Buffer.from(part).toString('base64url'))
  return `${head}.${body}.${createHmac('sha256', SECRET).update(`${head}.${body}`).digest('base64url')}`
}

t.test('takes a token from wherever a client can put one', async (t) => {
  const { app, url } = await listen(t)
  const jwt = token()
  t.equal((await attempt(t, `${url}?token=${jwt}`)).status, 101)
  t.equal((await attempt(t, `${url}?access_token=${jwt}`)).status, 101)
  t.equal((await attempt(t, url, { headers: { authorization: `Bearer ${jwt}` } })).status, 101)
  t.same(await attempt(t, url, { protocols: ['hub.raw', `bearer.${jwt}`] }), { status: 101, protocol: 'hub.raw' }, 'the token is not sent back')
  t.same(await attempt(t, url, { protocols: [`bearer.${jwt}`, 'hub.raw'] }), { status: 101, protocol: 'hub.raw' })
  t.match(await attempt(t, url, { protocols: [`bearer.${jwt}`] }), { status: 400, code: 'HUB_HANDSHAKE_INVALID' })
  t.equal(app.hub.size, 5)
})

t.test('refuses every token that is not its own, before the upgrade', async (t) => {
  const { app, url } = await listen(t)
  const sign = (options: object, payload: object = { sub: 'mallory' }) => createSigner({ key: SECRET, ...options })(payload)
  const [header = '', payload = '', signature = ''] = token().split('.')
  const unsigned = (alg: string) => `${Buffer.from(JSON.stringify({ alg, typ: 'JWT' })).toString('base64url')}.${payload}.`
  const cases: Array<[string, string, string]> = [
    ['none at all', '', 'HUB_TOKEN_MISSING'],
    ['not a JWT', 'x'.repeat(40), 'HUB_TOKEN_INVALID'],
    ['another secret', createSigner({ key: 'another secret of at least 32 characters' })({ sub: 'alice' }), 'HUB_TOKEN_INVALID'],
    ['another algorithm', sign({ algorithm: 'HS512' }), 'HUB_TOKEN_INVALID'],
    ...['none', 'None', 'nOnE'].map((alg): [string, string, string] => [`alg ${alg}`, unsigned(alg), 'HUB_TOKEN_INVALID']),
    ['a changed signature', `${header}.${payload}.${signature.split('').reverse().join('')}`, 'HUB_TOKEN_INVALID'],
    ['a changed payload', `${header}.${Buffer.from('{"sub":"root"}').toString('base64url')}.${signature}`, 'HUB_TOKEN_INVALID'],
    ['expired', sign({ clockTimestamp: Date.now() - 10_000, expiresIn: 1000 }), 'HUB_TOKEN_EXPIRED'],
    ['not valid yet', sign({ notBefore: 60_000 }), 'HUB_TOKEN_INVALID'],
    ['no user', sign({}, { role: 'admin' }), 'HUB_TOKEN_INVALID'],
    ['an empty user', sign({}, { sub: '', role: 'admin' }), 'HUB_TOKEN_INVALID'],
    ['a user that is no string', sign({}, { sub: { $gt: '' } }), 'HUB_TOKEN_INVALID'],
    ['roles that are no strings', sign({}, { sub: 'alice', role: [1] }), 'HUB_TOKEN_INVALID'],
    ...IMPOSSIBLE_TIMES.map(([claim, time]): [string, string, string] => [`${claim} ${time}`, signJson(`{"sub":"alice","${claim}":${time}}`), 'HUB_TOKEN_INVALID'])
  ]
  for (const [title, value, code] of cases) {
    t.match(await attempt(t, value === '' ? url : `${url}?token=${encodeURIComponent(value)}`), { status: 401, code }, title)
  }
  t.equal(app.hub.size, 0)
  await until(async () => await new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count === 0))), 'no socket is left')
})

t.test('checks issuer and audience when they are configured', async (t) => {
  const { url } = await listen(t, { auth: { issuer: 'me', audience: 'hub' } })
  const sign = createSigner({ key: SECRET })
  t.equal((await attempt(t, `${url}?token=${sign({ sub: 'a', iss: 'me', aud: 'hub' })}`)).status, 101)
  for (const claims of [{}, { iss: 'me' }, { aud: 'hub' }, { iss: 'you', aud: 'hub' }, { iss: 'me', aud: 'other' }]) {
    t.equal((await attempt(t, `${url}?token=${sign({ sub: 'a', ...claims })}`)).status, 401, JSON.stringify(claims))
  }
})

t.test('the refusal of a token says what is wrong with it, on every route', async (t) => {
  const { url, origin } = await listen(t, { auth: { issuer: 'me', audience: 'hub', clockTolerance: '5s' } })
  const sign = (claims: object, options = {}) => createSigner({ key: SECRET, ...options })({ sub: 'a', iss: 'me', aud: 'hub', role: 'admin', ...claims })
  const now = Math.floor(Date.now() / 1000)
  const cases: Array<[what: string, token: string, message: RegExp]> = [
    ['not yet valid', sign({ nbf: now + 3600 }), /not valid yet.*nbf.*clocks/],
    ['another issuer', sign({ iss: 'you' }), /for another service: .*"iss" of auth\.issuer and an "aud" of auth\.audience/],
    ['another audience', sign({ aud: 'other' }), /for another service/],
    ['no issuer', createSigner({ key: SECRET })({ sub: 'a', aud: 'hub' }), /for another service/],
    ['another algorithm', createSigner({ key: 'x'.repeat(64), algorithm: 'HS512' })({ sub: 'a' }), /another algorithm than HS256|signed with the secret/],
    ['another secret', createSigner({ key: 'y'.repeat(32) })({ sub: 'a' }), /signed with the secret of this service/],
    ['no JWT', 'x'.repeat(40), /no JWT/],
    ['expired', sign({ exp: now - 1 }), /has expired/],
    ['a time out of range', signJson('{"sub":"a","iss":"me","aud":"hub","role":"admin","exp":1e306}'), /"exp" of the token must be a number of seconds/],
    ['a time that is text', signJson('{"sub":"a","iss":"me","aud":"hub","role":"admin","nbf":"now"}'), /"nbf" of the token must be a number of seconds/],
    ['too many groups', sign({ 'webpubsub.group': Array.from({ length: 1001 }, (_, n) => `g${n}`) }), /1001 groups .*a client can be in 1000/]
  ]
  for (const [what, bad, message] of cases) {
    t.match(await attempt(t, `${url}?token=${bad}`), { status: 401 }, what)
    for (const path of ['/clients', '/admin/events']) {
      const response = await fetch(`${origin}${path}`, { headers: { authorization: `Bearer ${bad}` } })
      t.match(await response.json(), { statusCode: 401, message }, `${what} at ${path}`)
    }
  }
  t.equal((await attempt(t, `${url}?token=${sign({ nbf: now + 3, aud: ['other', 'hub'] })}`)).status, 101, 'a clock that is 3 s ahead')
  t.equal((await attempt(t, `${url}?token=${sign({ exp: 8.64e12, nbf: 0, iat: 0 })}`)).status, 101, 'the greatest and the least time that a library signs')
})

t.test('two tokens that differ in one claim stand for two users', async (t) => {
  const check = createTokenCheck({ secret: SECRET })
  const [one, other] = [token({ user: 'one' }), token({ user: 'two' })]
  for (let n = 0; n < 3; n++) {
    t.equal(check(one).user, 'one')
    t.equal(check(other).user, 'two')
  }
})

t.test('lets in pages of the same origin and of those listed, exactly', async (t) => {
  const { url, origin, port } = await listen(t, { websocket: { allowedOrigins: ['https://app.example.com'] } })
  const from = async (page: string) => (await attempt(t, `${url}?token=${token()}`, { origin: page })).status
  t.equal(await from(origin), 101)
  t.equal(await from('https://app.example.com'), 101)
  for (const page of ['https://evil.example', 'null', 'http://app.example.com', 'https://app.example.com.evil.example', 'https://xapp.example.com',
    'https://app.example.com:444', 'https://app.example.com@evil.example', `http://127.0.0.1:${port + 1}`, `http://localhost:${port}`, 'https://APP.example.com/', 'file://', 'x']) {
    t.equal(await from(page), 403, page)
  }
  t.match(await attempt(t, `${url}?token=${token()}`, { origin: 'https://evil.example' }), { code: 'HUB_ORIGIN_REFUSED' })
  const open = await listen(t, { websocket: { allowedOrigins: ['*'] } })
  t.equal((await attempt(t, `${open.url}?token=${token()}`, { origin: 'https://evil.example' })).status, 101)
})

t.test('the default port of an origin and of Host is the same, written or not', async (t) => {
  const { url, log } = await listen(t, { logger: { level: 'warn' }, websocket: { allowedOrigins: ['null', 'file://'] } })
  const from = async (page: string, host: string) => (await attempt(t, `${url}?token=${token()}`, { origin: page, headers: { host } })).status
  for (const [page, host] of [['https://hub.example.com', 'hub.example.com:443'], ['http://hub.example.com', 'hub.example.com:80'],
    ['https://hub.example.com', 'HUB.example.com'], ['https://hub.example.com:8443', 'hub.example.com:8443']] as const) {
    t.equal(await from(page, host), 101, `${page} at ${host}`)
  }
  for (const [page, host] of [['https://hub.example.com', 'hub.example.com:8443'], ['https://hub.example.com', 'hub.example.com:80'],
    ['https://hub.example.com.evil.org', 'hub.example.com:443'], ['x://', ''], ['https://hub.example.com', 'evil.org/hub.example.com']] as const) {
    t.equal(await from(page, host), 403, `${page} at ${host}`)
  }
  for (const page of ['null', 'file://']) {
    t.equal(await from(page, 'hub.example.com'), 101, 'as listed')
    t.ok(log.lines.some(({ msg }) => String(msg).startsWith(`websocket.allowedOrigins has ${page}`)), 'the service warns')
  }
})

t.test('a refusal names the limit that is reached and when to connect again', async (t) => {
  await t.test('of clients in all', async (t) => {
    const { app, url } = await listen(t, { websocket: { maxClients: 2 } })
    await connect(t, url, { user: 'a' })
    const leaving = await connect(t, url, { user: 'b' })
    t.same(await attempt(t, url), { status: 503, code: 'HUB_FULL', retryAfter: '5' }, 'before the token is looked at')
    leaving.socket.terminate()
    await until(() => app.hub.size === 1)
    t.equal((await attempt(t, `${url}?token=${token()}`)).status, 101, 'a place that is left is free')
  })
  await t.test('of clients of one user', async (t) => {
    const { url } = await listen(t, { websocket: { maxClientsPerUser: 1 } })
    await connect(t, url, { user: 'a' })
    t.same(await attempt(t, `${url}?token=${token({ user: 'a' })}`), { status: 429, code: 'HUB_USER_FULL', retryAfter: '5' })
    t.equal((await attempt(t, `${url}?token=${token({ user: 'b' })}`)).status, 101)
  })
  await t.test('of upgrades per second', async (t) => {
    const { url } = await listen(t, { websocket: { upgradesPerSecond: 1 } })
    const answers = await Promise.all([1, 2, 3].map(() => attempt(t, `${url}?token=${token()}`)))
    t.match(answers.map(({ status }) => status).sort(), [101, 429, 429])
    t.match(answers.find(({ status }) => status === 429), { code: 'HUB_TOO_MANY_UPGRADES', retryAfter: '1' })
  })
  await t.test('that it is switched off', async (t) => {
    const { url, origin } = await listen(t, { websocket: { start: false } })
    t.match(await attempt(t, `${url}?token=${token()}`), { status: 503, code: 'HUB_WEBSOCKET_OFF', retryAfter: '60' })
    t.equal((await fetch(`${origin}/readyz`)).status, 200)
  })
})

t.test('demo mode takes any long token as a user of its own, without roles', async (t) => {
  const { app, url, origin } = await listen(t, { auth: { mode: 'demo' } })
  const long = '一二三四五六七八九十'.repeat(2)
  for (const value of [long, 'x'.repeat(20), 'y'.repeat(20)]) {
    const client = new TestClient(new WebSocket(`${url}?token=${encodeURIComponent(value)}`))
    t.teardown(() => client.socket.terminate())
    t.equal(await client.next(), GREETING)
  }
  const { clients } = await app.hub.clients()
  t.equal(new Set(clients.map(({ user }) => user)).size, 3)
  t.ok(clients.every(({ user, roles }) => /^demo-[0-9a-f]{12}$/.test(user) && roles.length === 0), 'and the name does not give the token away')
  t.match(await attempt(t, `${url}?token=${'x'.repeat(19)}`), { status: 401, code: 'HUB_TOKEN_INVALID' })
  t.equal((await fetch(`${origin}/clients`, { headers: { authorization: `Bearer ${'x'.repeat(40)}` } })).status, 403)
  t.equal((await fetch(`${origin}/clients`, { headers: { authorization: `Bearer ${token({ roles: ['admin'] })}` } })).status, 200, 'real tokens keep their roles')
  const expired = createSigner({ key: SECRET, clockTimestamp: Date.now() - 10_000, expiresIn: 1000 })({ sub: 'alice' })
  t.throws(() => createDemoTokenCheck(createTokenCheck({ secret: SECRET }))(expired), { code: 'HUB_TOKEN_EXPIRED' })
  t.throws(() => completeConfig({ auth: { mode: 'demo' } }, { NODE_ENV: 'production' }), /demo/)
})

t.test('no token ever reaches the log', async (t) => {
  const { app, log, origin, url } = await listen(t, { logger: { level: 'trace', requests: true } })
  const jwt = token({ roles: ['admin'] })
  const secrets = [jwt, jwt.split('.')[2] ?? '', 'wrong-token-0123456789']
  const client = await connect(t, url)
  await attempt(t, `${url}?token=${jwt}`)
  await attempt(t, `${url}?access_token=${jwt}&x=1`)
  await attempt(t, url, { protocols: ['hub.raw', `bearer.${jwt}`] })
  await attempt(t, `${url}?token=wrong-token-0123456789`)
  const bodies = await Promise.all([`/nowhere?token=${jwt}`, `/nowhere?%74oken=${jwt}`, `/clients?%74oken=${jwt}`, `/%zz?token=${jwt}`, `/clients?token=${jwt}`, `/clients?access_token=wrong-token-0123456789`, `/broadcast?token=${jwt}`]
    .map(async (path) => (await fetch(origin + path)).text()))
  client.socket.close()
  await until(() => log.text.includes('client disconnected'))
  t.ok(log.lines.length > 10, 'there is much in the log')
  for (const secret of secrets) {
    t.notOk(log.text.includes(secret), 'not in the log')
    t.notOk(bodies.some((body) => body.includes(secret)), 'not in an answer')
  }
  t.notOk(JSON.stringify(await app.hub.clients()).includes(jwt))
})

t.test('what an application\'s own check gives is looked at before it is believed', async (t) => {
  for (const [answer, status, code] of [[null, 401, 'HUB_TOKEN_MISSING'], [undefined, 401], [false, 401], ['', 401], [0, 401], [{}, 500, 'HUB_INTERNAL'], [{ user: 'a' }, 500], [{ user: '', roles: [] }, 500], [{ user: 'a', roles: 'admin' }, 500], [true, 500]] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(fastifyHub, { ...IN_MEMORY, authenticate: () => answer as null })
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    const url = `${origin.replace('http', 'ws')}/admin/ws`
    t.match(await attempt(t, url), { status, ...(code === undefined ? {} : { code }) }, JSON.stringify(answer))
    // The handshake and a broken frame in one packet: nothing may be left without a listener for errors.
    t.match(await rawRequest(Number(new URL(origin).port), Buffer.concat([Buffer.from(handshake({})), Buffer.from([0xa2, 0])])), new RegExp(`^HTTP/1.1 ${status} `))
    t.equal(app.hub.size, 0)
  }
})

t.test('a failing check of an application refuses every client, for any thrown value at any time', async (t) => {
  for (const thrown of [undefined, null, false, '', 'no', new Error('no'), Object.assign(new Error('no'), { statusCode: 403 })] as unknown[]) {
    for (const authenticate of [() => { throw thrown }, async () => { throw thrown }, async () => { await sleep(1); throw thrown }]) {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(fastifyHub, { ...IN_MEMORY, authenticate, api: true })
      const origin = await app.listen({ port: 0, host: '127.0.0.1' })
      const status = thrown instanceof Error && 'statusCode' in thrown ? 403 : 500
      t.match(await attempt(t, `${origin.replace('http', 'ws')}/admin/ws`), { status }, String(thrown))
      t.equal((await fetch(`${origin}/clients`)).status, status)
      t.equal(app.hub.size, 0)
    }
  }
})

t.test('limits hold also when many checks end in the same moment', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const gates: Array<() => void> = []
  await app.register(fastifyHub, { ...IN_MEMORY,
    authenticate: async () => {
      await new Promise<void>((resolve) => gates.push(resolve))
      return { user: 'crowd', roles: [] }
    },
    websocket: { maxClientsPerUser: 2 }
  })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const attempts = Promise.all(Array.from({ length: 20 }, () => attempt(t, `${origin.replace('http', 'ws')}/admin/ws`)))
  await until(() => gates.length === 20)
  for (const open of gates) open()
  t.equal((await attempts).filter(({ status }) => status === 101).length, 2)
  t.equal(app.hub.size, 2)
})
