import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import type { WebSocket } from 'ws'
import { createToken, fastifyHub, HubError, type FastifyHubOptions, type Hub, type Identity } from '../index.ts'
import {
  auth, build, closesFast, echoRoute, expectEchoFrom, foreignWebsocket, h2c, hub, listen, open, plainRoute, refusal,
  type Step
} from './support/foreign-app.ts'
import { api, connect, GREETING, IN_MEMORY, LogLines, TestClient, token, until } from './support/helper.ts'
import { handshake, rawConnect, rawRequest } from './support/raw-client.ts'

const withOptions = (options: FastifyHubOptions): Step => (app) => app.register(fastifyHub, { ...IN_MEMORY, ...options })

t.test('needs nothing but a secret', async (t) => {
  const { app, url, origin, port } = await listen(t, [hub])
  const client = await connect(t, url)
  await expectEchoFrom(t, client, 'the hub')
  t.match(await app.hub.broadcast({ hello: 'all' }), { matched: 1, written: 1 })
  t.equal(await client.next(), '{"hello":"all"}')
  t.match(await rawRequest(port, handshake({}), { until: 'end' }), /^HTTP\/1\.1 401 [^]*HUB_TOKEN_MISSING/)
  for (const [method, path] of [['POST', '/broadcast'], ['GET', '/clients'], ['GET', '/healthz'], ['GET', '/']] as const) {
    t.equal((await api(origin, method, path)).status, 404, `${path} is not there unless it is asked for`)
  }
})

t.test('takes the identity of a client from the application\'s own check', async (t) => {
  const alice: Identity = { user: 'alice', roles: [] }
  const says: Record<string, () => Identity | null | Promise<Identity | null>> = {
    sync: () => alice,
    'session=1': () => alice,
    async: () => Promise.resolve(alice),
    nobody: () => null,
    nobodyLater: () => Promise.resolve(null),
    forbidden: () => { throw new HubError('HUB_FORBIDDEN', 'Not today.') },
    broken: () => { throw new Error('the database is down') },
    brokenLater: () => Promise.reject(new Error('the database is down'))
  }
  const authenticate: FastifyHubOptions['authenticate'] = (token, { headers }) => says[token ?? headers.cookie ?? '']?.() ?? null
  const log = new LogLines()
  const { app, port } = await listen(t, [withOptions({ path: '/push', authenticate })], { logger: { stream: log } })
  const ask = (token: string) => rawRequest(port, handshake({ path: '/push', token }))
  for (const accepted of ['sync', 'async']) t.match(await ask(accepted), /^HTTP\/1\.1 101 /, accepted)
  for (const refused of ['nobody', 'nobodyLater', 'unknown']) t.match(await ask(refused), /^HTTP\/1\.1 401 [^]*HUB_TOKEN_INVALID/, refused)
  t.match(await ask('forbidden'), /^HTTP\/1\.1 403 [^]*HUB_FORBIDDEN[^]*Not today\./)
  for (const broken of ['broken', 'brokenLater']) t.match(await ask(broken), /^HTTP\/1\.1 500 ((?!database)[^])*HUB_INTERNAL((?!database)[^])*$/, `${broken}, without a detail`)
  t.match(log.text, /the database is down/, 'which the log has')
  const byCookie = (Cookie: string) => rawRequest(port, handshake({ path: '/push', headers: { Cookie } }))
  t.match(await byCookie('session=1'), /^HTTP\/1\.1 101 /)
  t.match(await byCookie('session=2'), /^HTTP\/1\.1 401 [^]*HUB_TOKEN_MISSING/)
  const client = await rawConnect({ port, path: '/push', token: 'sync' })
  t.teardown(() => client.destroy())
  t.equal((await client.next()).payload.toString(), GREETING)
  t.match(await app.hub.clients(), { clients: [{ user: 'alice' }] })
})

t.test('fails at boot with a sentence that names the mistake', async (t) => {
  const boot = (options: object) => build(t, [withOptions(options)])
  for (const options of [{}, { path: '/push' }]) {
    await t.rejects(boot(options), { message: /^fastify-hub needs to know how to check tokens: pass auth\.secret .* or authenticate\(token, request\)\.$/ })
  }
  await t.rejects(boot({ auth: { secret: 'short' } }), { name: 'ConfigError', message: /^options\.auth\.secret: .*32/ })
  await t.rejects(boot({ auth, websocket: { pingPeriod: 'soon', maxClients: -1, pingPeriode: 1 }, path: 'push', colour: 'red' }), {
    message: /^options\.websocket\.pingPeriod: .+\noptions\.websocket\.maxClients: .+\noptions\.websocket\.pingPeriode: .+\noptions\.(websocket\.)?path: .+\noptions\.colour: .+$/
  })
  await t.rejects(build(t, [hub, hub]), { message: /register fastify-hub once/ })
  await t.rejects(boot({ auth: { secret: undefined } }), { name: 'ConfigError', message: /^options\.auth\.secret: is undefined; set the environment variable that it is read from to at least 32 characters/ })
  await t.resolves(boot({ auth: { secret: undefined }, authenticate: () => null }), 'a check of its own needs no secret')
  for (const authenticate of ['x', null, {}, true]) {
    await t.rejects(boot({ auth, authenticate }), { name: 'ConfigError', message: /^options\.authenticate: must be a function \(token, request\)/ })
  }
  for (const prefix of [5, '/a b', '/a?b', null]) await t.rejects(boot({ auth, prefix }), { name: 'ConfigError', message: /^options\.prefix: must be the beginning of a path/ })
  await t.rejects(boot({ auth, server: { port: 1 }, logger: { level: 'info' }, console: true, authenticat: () => null, sse: { pat: '/x' }, api: 'perhaps' }), {
    message: /^options\.server: is no option of the plugin; .*app\.listen.*\noptions\.logger: is no option.*\noptions\.console: is no option.*\noptions\.api: must be true or false.*\noptions\.authenticat: unknown key\noptions\.sse\.pat: unknown key, did you mean "path"\?$/
  })
})

t.test('the verbs for the setup of an application refuse wrong arguments with a sentence', async (t) => {
  const { app } = await build(t, [hub])
  const { hub: verbs } = app as unknown as { hub: Record<'on' | 'off' | 'onMessage' | 'action', (...args: unknown[]) => unknown> }
  const handler = () => null
  const cases: Array<[verb: 'on' | 'off' | 'onMessage' | 'action', args: unknown[], message: RegExp]> = [
    ['on', ['opne', handler], /^The hub has no event "opne"; its events are open, error, close\.$/],
    ['on', ['__proto__', handler], /no event "__proto__"/],
    ['on', ['open'], /^The listener of the hub's event "open" must be a function, not undefined\.$/],
    ['off', ['closed', handler], /no event "closed"/],
    ['onMessage', ['x'], /^hub\.onMessage takes a function \(client, data\), not string\.$/],
    ['action', ['', {}, handler], /takes a name first/],
    ['action', [{}, handler], /takes a name first/],
    ['action', ['add', handler], /^The handler of the action "add" must be a function .*hub\.action\(name, schema, handler\)/],
    ['action', ['add', undefined, handler], /^The schema of the action "add" cannot be compiled: it must be a JSON Schema/],
    ['action', ['add', { type: 'strin' }, handler], /^The schema of the action "add" cannot be compiled/],
    ['action', ['add', { typ: 'string' }, handler], /^The schema of the action "add" cannot be compiled: .*"typ"/],
    ['action', ['add', { ...Type.String(), pattern: '(' }, handler], /^The schema of the action "add" cannot be compiled/],
    ['action', ['add', {}, handler, { roles: ['admin'] }], /^The option "roles" of the action "add" is unknown; the options are role and timeoutMs\.$/],
    ['action', ['add', {}, handler, { role: ['admin'] }], /^The option role of the action "add" must be the name of one role\.$/],
    ['action', ['add', {}, handler, { timeoutMs: '5s' }], /^The option timeoutMs of the action "add" must be a number of milliseconds/],
    ['action', ['add', {}, handler, { timeoutMs: 2 ** 31 }], /timeoutMs of the action "add"/]
  ]
  for (const [verb, args, message] of cases) t.throws(() => verbs[verb](...args), { message }, `${verb} ${JSON.stringify(args)}`)
  t.doesNotThrow(() => verbs.action('add', {}, handler, { role: undefined, timeoutMs: 0 }))
  t.throws(() => createToken({ secret: undefined as unknown as string }, { user: 'alice', ttlSeconds: 60 }), { message: /^createToken signs with a secret/ })
})

t.test('stands under a prefix', async (t) => {
  const options = { auth, api: true }
  let inner: Hub | undefined
  for (const [title, step] of [
    ['that it is given', async (app: FastifyInstance) => { await app.register(fastifyHub, { ...IN_MEMORY, prefix: '/push', ...options }); inner = app.hub }],
    ['of the scope that it is in', (app: FastifyInstance) => app.register(async (scope) => { await scope.register(fastifyHub, { ...IN_MEMORY, ...options }); inner = scope.hub }, { prefix: '/push' })]
  ] as const) {
    await t.test(title, async (t) => {
      const { app, origin, ws } = await listen(t, [plainRoute, step])
      const client = await connect(t, `${ws}/push/admin/ws`)
      t.equal(inner?.size, 1)
      t.equal(app.hasDecorator('hub'), title === 'that it is given', 'a scope keeps it to itself')
      t.match(await api(origin, 'POST', '/push/broadcast', { message: 'news' }), { status: 202, body: { matched: 1 } })
      t.equal(await client.next(), 'news')
      t.equal((await api(origin, 'POST', '/broadcast', { message: 'news' })).status, 404)
      t.equal(await (await fetch(`${origin}/plain`)).text(), 'plain')
      const closed = client.closed()
      await closesFast(t, app)
      t.equal((await closed).code, 1012)
    })
  }
})

t.test('is there for the plugins and routes that come after it', async (t) => {
  const plugin = fp(async ({ hub }) => { hub.on('open', () => hub.broadcast('a plugin')) }, { dependencies: ['fastify-hub'] })
  const shop = async (scope: FastifyInstance) => {
    scope.post('/orders', () => scope.hub.send({ user: 'alice' }, { order: 1 }))
    scope.hub.action('add', Type.Tuple([Type.Number(), Type.Number()]), ([a, b]) => a + b)
  }
  const { origin, url } = await listen(t, [(app) => { app.register(fastifyHub, { ...IN_MEMORY, auth }).register(plugin).register(shop) }])
  const client = await connect(t, url)
  t.equal(await client.next(), 'a plugin')
  t.match(await (await fetch(`${origin}/orders`, { method: 'POST' })).json(), { matched: 1 })
  t.equal(await client.next(), '{"order":1}')
})

t.test('shares an application with WebSocket routes of its own', async (t) => {
  const limited = withOptions({ auth, websocket: { maxMessageSize: '1KiB', handshakeTimeout: '500ms' } })
  const scoped: Step = (app) => app.register(async (scope) => { await foreignWebsocket(scope); await echoRoute('/scoped')(scope) })
  for (const [title, steps, paths] of [
    ['which the hub makes possible', [limited, echoRoute('/after')], ['/after']],
    ['whose @fastify/websocket was there before', [foreignWebsocket, echoRoute('/before'), limited, echoRoute('/after')], ['/before', '/after']],
    ['whose @fastify/websocket is in a scope beside it', [scoped, limited], ['/scoped']]
  ] as const) {
    await t.test(title, async (t) => {
      const { app, port, ws, url } = await listen(t, steps)
      const own = await Promise.all(paths.map((path) => open(t, ws + path)))
      const client = await connect(t, url)
      await expectEchoFrom(t, client, 'the hub')
      for (const other of own) await expectEchoFrom(t, other, 'the application')
      t.equal(app.hub.size, 1, 'the sockets of the application are not counted')
      t.ok(app.websocketServer.clients.size <= own.length, 'nor are clients of the hub among them')
      t.match(await app.hub.broadcast('news'), { matched: 1 })
      t.equal(await client.next(), 'news')
      for (const other of own) t.same(await other.quiet(), [], 'nothing is written to others')

      const closed = client.closed()
      client.send('x'.repeat(1025))
      t.equal((await closed).code, 1009, 'limits hold')
      await rawRequest(port, handshake({ path: '/%' }), { until: 'end' }) // Goes nowhere, and ends when the time for handshakes is over.
      for (const other of own) t.equal(other.socket.readyState, other.socket.OPEN, 'the hub leaves the others alone')
      const ends = [await connect(t, url), ...own.filter(({ socket }) => socket.readyState === socket.OPEN)].map((each) => each.closed())
      await closesFast(t, app)
      t.equal((await Promise.all(ends))[0]?.code, 1012)
    })
  }
})

t.test('a hook that refuses leaves no socket, wherever it stands', async (t) => {
  for (const [title, ...steps] of [
    ['before the hub', refusal, hub],
    ['after the hub', hub, refusal],
    ['before @fastify/websocket and the hub', refusal, foreignWebsocket, hub],
    ['between @fastify/websocket and the hub', foreignWebsocket, refusal, hub],
    ['after both', foreignWebsocket, hub, refusal]
  ] as const) {
    await t.test(title, async (t) => {
      const { app, port } = await listen(t, steps)
      for (const path of ['/admin/ws', '/nowhere']) {
        t.match(await rawRequest(port, handshake({ path, token: token() }), { until: 'end' }), /^HTTP\/1\.1 401 /, path)
      }
      t.equal(app.hub.size, 0)
      await closesFast(t, app)
    })
  }
})

t.test('leaves plain routes what they are', async (t) => {
  for (const [title, steps, status] of [
    ['after it', [hub, plainRoute], 426],
    ['before it', [plainRoute, hub], 426],
    // The hub's hooks do not see this answer; the handshake deadline ends the socket.
    ['outside its scope', [(app: FastifyInstance) => app.register(async (scope) => { await scope.register(fastifyHub, { ...IN_MEMORY, auth, websocket: { handshakeTimeout: '200ms' } }) }), plainRoute], 200]
  ] as const) {
    await t.test(title, async (t) => {
      const { origin, port } = await listen(t, steps)
      t.equal(await (await fetch(`${origin}/plain`)).text(), 'plain')
      t.match(await rawRequest(port, h2c('/plain')), /^HTTP\/1\.1 200 [^]*plain$/)
      t.match(await rawRequest(port, handshake({ path: '/plain' }), { until: 'end' }), new RegExp(`^HTTP/1\\.1 ${status} `), 'and no socket is left')
    })
  }
})

t.test('leaves the application what it has under the same names', async (t) => {
  const decorators = { authenticate: async () => {}, authorize: () => 'own', errors: ['own'], auth: 1 }
  const own: Step = (app) => {
    for (const [name, value] of Object.entries(decorators)) app.decorate(name, value as never)
    app.decorateRequest('identity', null)
    app.addHook('onRequest', async (request) => { request.identity = { user: 'own', roles: [] } })
    app.setErrorHandler((error: Error, _request, reply) => reply.code(418).send({ own: error.message }))
    app.setNotFoundHandler((_request, reply) => reply.code(404).send('own 404'))
    app.setSerializerCompiler(() => (data: unknown) => JSON.stringify({ own: data }))
  }
  const body = { type: 'object', properties: { n: { type: 'number', 'x-own': true } }, additionalProperties: false }
  const ownRoute: Step = (app) => app.post('/own', { schema: { body, response: { 200: {} } } }, async (request) => request.identity)
  const { app, origin, url } = await listen(t, [own, withOptions({ auth, api: true }), ownRoute, plainRoute],
    { ajv: { customOptions: { coerceTypes: false, removeAdditional: false, keywords: ['x-own'] } } })
  const client = await connect(t, url)
  t.match(await api(origin, 'POST', '/broadcast', { message: 'news' }), { status: 202, body: { matched: 1 } })
  t.equal(await client.next(), 'news')
  t.match(await api(origin, 'POST', '/broadcast', {}), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } })
  t.match(await api(origin, 'POST', '/own', { n: 1 }), { status: 200, body: { own: { user: 'own' } } })
  t.match(await api(origin, 'POST', '/own', { n: '1' }), { status: 418, body: { own: /must be number/ } })
  t.match(await api(origin, 'POST', '/own', { more: 1 }), { status: 418, body: { own: /additional properties/ } })
  t.equal(await (await fetch(`${origin}/nowhere`)).text(), 'own 404')
  t.equal((await fetch(`${origin}/plain`)).headers.get('content-security-policy'), null, 'no headers of the hub')
  for (const [name, value] of Object.entries(decorators)) t.equal(Reflect.get(app, name), value, name)
})

t.test('adds fastify.hub and nothing else of its own to the application', async (t) => {
  const bare = await build(t, [foreignWebsocket])
  const { app } = await build(t, [withOptions({ auth, api: true })])
  await Promise.all([app.ready(), bare.app.ready()])
  const known = new Set(Reflect.ownKeys(bare.app))
  t.same(Reflect.ownKeys(app).filter((key) => !known.has(key)), ['hub'])
})

t.test('can be tested without listening', async (t) => {
  const { app } = await build(t, [withOptions({ auth, api: true })])
  await app.ready()
  const client = await new Promise<TestClient>((resolve) => {
    void app.injectWS(`/admin/ws?token=${token()}`, {}, { onInit: (socket) => resolve(new TestClient(socket)) })
  })
  t.equal(await client.next(), GREETING)
  await expectEchoFrom(t, client, 'the hub')
  const headers = { authorization: `Bearer ${token({ roles: ['admin'] })}` }
  t.match((await app.inject({ method: 'POST', url: '/broadcast', headers, payload: { message: 'news' } })).json(), { matched: 1, written: 1 })
  t.equal(await client.next(), 'news')
  t.match((await app.inject({ url: '/clients', headers })).json(), { total: 1, clients: [{ user: 'alice', address: String }] })
  await t.rejects(app.injectWS('/admin/ws'), { message: /401/ })
  client.socket.terminate()
  await until(() => app.hub.size === 0)
})

t.test('a client without a network ends at once, whichever side ends it', async (t) => {
  for (const [title, steps] of [['with the @fastify/websocket of the hub', [hub]], ['with one of the application', [foreignWebsocket, hub]]] as const) {
    const ends: Array<[title: string, end: (socket: WebSocket, app: FastifyInstance) => unknown, code: number]> = [
      ['close() in the test', (socket) => socket.close(), 1005],
      ['close() with a code', (socket) => socket.close(4001, 'bye'), 4001],
      ['terminate() in the test', (socket) => socket.terminate(), 1006],
      ['a disconnection by the hub', (_socket, app) => app.hub.disconnect({ user: 'alice' }), 4000],
      ['app.close()', (_socket, app) => app.close(), 1012]
    ]
    for (const [what, end, code] of ends) {
      const { app } = await build(t, steps)
      await app.ready()
      const closed = new Promise((resolve) => { app.hub.on('close', (_client, code) => resolve(code)) })
      const socket = await app.injectWS(`/admin/ws?token=${token()}`)
      const started = Date.now()
      await end(socket, app)
      t.equal(await closed, code, `${what}, ${title}`)
      await app.close()
      t.ok(Date.now() - started < 1000, `${what} takes ${Date.now() - started} ms, ${title}`)
      t.equal(app.hub.size, 0)
    }
  }
})

t.test('two applications in one process know nothing of each other', async (t) => {
  const [one, other] = await Promise.all([listen(t, [hub]), listen(t, [hub])])
  const clients = await Promise.all([connect(t, one.url), connect(t, other.url)])
  t.match(await one.app.hub.broadcast('first'), { matched: 1 })
  t.match(await other.app.hub.broadcast('second'), { matched: 1 })
  t.same(await Promise.all(clients.map((client) => client.next())), ['first', 'second'])
  await one.app.close()
  t.match(await other.app.hub.broadcast('still here'), { matched: 1 })
})

t.test('close()', async (t) => {
  await t.test('sends clients away with 1012, and may be called twice', async (t) => {
    const { app, url } = await listen(t, [hub])
    const ends = (await Promise.all([connect(t, url), connect(t, url)])).map((client) => client.closed())
    await Promise.all([closesFast(t, app), app.close()])
    await app.close()
    t.same(await Promise.all(ends), Array.from(ends, () => ({ code: 1012, reason: 'service restart' })))
  })
  await t.test('works before the application is ready', async (t) => {
    for (const step of [hub, (app: FastifyInstance) => { app.register(fastifyHub, { ...IN_MEMORY, auth }) }]) await closesFast(t, (await build(t, [step])).app)
  })
  await t.test('does not wait for a token check that never ends', async (t) => {
    let checks = 0
    const { app, port } = await listen(t, [withOptions({ authenticate: () => { checks++; return new Promise<null>(() => {}) } })])
    const refused = rawRequest(port, handshake({}), { until: 'end' })
    await until(() => checks === 1)
    await closesFast(t, app)
    t.equal(await refused, '', 'the client is let go')
  })
  await t.test('is done before Fastify loses its patience, whatever a client does', async (t) => {
    const { app, port } = await listen(t, [foreignWebsocket, hub], { pluginTimeout: 2000 })
    const frozen = await rawConnect({ port, token: token() })
    t.teardown(() => frozen.destroy())
    frozen.pause()
    await t.resolves(app.close())
  })
})
