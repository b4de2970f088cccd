import t from 'tap'
import { api, build, connect, listen, token } from '../../support/helper.ts'

t.test('POST /broadcast reaches every client, and responds with their number', async (t) => {
  const { origin, url } = await listen(t)
  const clients = [await connect(t, url, { user: 'a' }), await connect(t, url, { user: 'b' }), await connect(t, url, { user: 'b' })]
  for (const [message, frame] of [['hello', 'hello'], [{ a: [1, null] }, '{"a":[1,null]}'], [null, 'null'], [5, '5'], [false, 'false'], ['', '']] as const) {
    const { status, body } = await api(origin, 'POST', '/broadcast', { message })
    t.equal(status, 202)
    t.match(body, { offset: Number, duplicate: false, matched: 3, written: 3, behind: 0 })
    for (const client of clients) t.equal(await client.next(), frame)
  }
})

t.test('the offsets of receipts rise', async (t) => {
  const { origin } = await listen(t)
  const offsets: number[] = []
  for (let n = 0; n < 5; n++) offsets.push(Number((await api(origin, 'POST', '/broadcast', { message: n })).body['offset']))
  t.same(offsets, [...offsets].sort((a, b) => a - b))
  t.equal(new Set(offsets).size, 5)
})

t.test('except excludes clients from a broadcast', async (t) => {
  const { app, origin, url } = await listen(t)
  const [one, other] = [await connect(t, url, { user: 'one' }), await connect(t, url, { user: 'other' })]
  const { clients: [first] } = await app.hub.clients({ user: 'one' })
  const { body } = await api(origin, 'POST', '/broadcast', { message: 'not for one', except: [first?.id] })
  t.match(body, { matched: 1, written: 1 })
  t.equal(await other.next(), 'not for one')
  t.same(await one.quiet(), [])
})

t.test('requests with the same key publish once, and get the same receipt', async (t) => {
  const { origin, url } = await listen(t)
  const client = await connect(t, url)
  const first = await api(origin, 'POST', '/broadcast', { message: 'once', key: 'order-7' })
  const again = await api(origin, 'POST', '/broadcast', { message: 'once', key: 'order-7' })
  t.same(again, { ...first, headers: again.headers, body: { ...first.body, duplicate: true } })
  const { body } = await api(origin, 'POST', '/users/alice/messages', { message: 'other', key: 'order-7' })
  t.equal(body['duplicate'], false, 'a key belongs to one address')
  t.equal(await client.next(), 'once')
  t.equal(await client.next(), 'other')
})

t.test('POST /users/:id/messages reaches all devices of the user, and no other client', async (t) => {
  const { origin, url } = await listen(t)
  const odd = 'bob/ö ?#%'
  const [phone, desk, alice] = [await connect(t, url, { user: odd }), await connect(t, url, { user: odd }), await connect(t, url)]
  const { status, body } = await api(origin, 'POST', `/users/${encodeURIComponent(odd)}/messages`, { message: 'psst' })
  t.equal(status, 202)
  t.match(body, { matched: 2, written: 2 })
  t.equal(await phone.next(), 'psst')
  t.equal(await desk.next(), 'psst')
  t.same(await alice.quiet(), [])
  t.match(await api(origin, 'POST', '/users/nobody/messages', { message: 'psst' }), { status: 202, body: { matched: 0, written: 0, behind: 0 } })
})

t.test('POST /clients/:id/messages reaches one connection', async (t) => {
  const { app, origin, url } = await listen(t)
  const [one, other] = [await connect(t, url), await connect(t, url)]
  const { clients: [first] } = await app.hub.clients()
  t.match(await api(origin, 'POST', `/clients/${first?.id ?? ''}/messages`, { message: 'you' }), { status: 202, body: { matched: 1 } })
  t.equal(await one.next(), 'you')
  t.same(await other.quiet(), [])
  t.match(await api(origin, 'POST', '/clients/gone/messages', { message: 'you' }), { status: 404, body: { code: 'HUB_CLIENT_NOT_FOUND' } })
})

t.test('GET /clients lists the connected clients, page by page', async (t) => {
  const { origin, url } = await listen(t)
  for (const user of ['a', 'b', 'a', 'c', 'a']) await connect(t, url, { user, roles: user === 'c' ? ['admin', 'x'] : [] })
  const all = await api(origin, 'GET', '/clients')
  t.match(all, { status: 200, body: { total: 5, next: null } })
  const clients = all.body['clients'] as Array<{ id: string, user: string }>
  t.same(clients.map(({ user }) => user), ['a', 'b', 'a', 'c', 'a'], 'in the order of their connection')
  t.match(clients[3], { roles: ['admin', 'x'], protocol: 'raw', address: '127.0.0.1', openedAt: /^20.*Z$/, received: 0, delivered: 1, dropped: 0, behind: false })

  const paged: unknown[] = []
  let after: unknown = ''
  do {
    const { body } = await api(origin, 'GET', `/clients?limit=2${after === '' ? '' : `&after=${String(after)}`}`)
    t.equal(body['total'], 5)
    paged.push(...body['clients'] as unknown[])
    after = body['next']
  } while (after !== null)
  t.same(paged, clients)

  t.match((await api(origin, 'GET', '/clients?user=a&limit=2')).body, { total: 3, clients: [{ user: 'a' }, { user: 'a' }], next: String })
  t.match((await api(origin, 'GET', '/clients?user=nobody')).body, { total: 0, clients: [], next: null })
  t.match(await api(origin, 'GET', `/clients/${clients[1]?.id ?? ''}`), { status: 200, body: clients[1] })
  t.match(await api(origin, 'GET', '/clients/gone'), { status: 404, body: { code: 'HUB_CLIENT_NOT_FOUND' } })
})

t.test('DELETE disconnects a client, or all clients of a user', async (t) => {
  const { app, origin, url } = await listen(t)
  const [one, two, bob] = [await connect(t, url), await connect(t, url), await connect(t, url, { user: 'bob' })]
  const { clients: [first] } = await app.hub.clients()
  const closed = one.closed()
  t.match(await api(origin, 'DELETE', `/clients/${first?.id ?? ''}`), { status: 200, body: { disconnected: 1 } })
  t.same(await closed, { code: 4000, reason: 'disconnected' })
  const kicked = two.closed()
  t.match(await api(origin, 'DELETE', '/users/alice/clients?code=4900&reason=moved%20away'), { status: 200, body: { disconnected: 1 } })
  t.same(await kicked, { code: 4900, reason: 'moved away' })
  t.match(await api(origin, 'DELETE', '/users/alice/clients'), { status: 200, body: { disconnected: 0 } })
  t.match(await api(origin, 'DELETE', '/clients/gone'), { status: 404, body: { code: 'HUB_CLIENT_NOT_FOUND' } })
  for (const code of [999, 1005, 1006, 1015, 2999, 5000]) {
    t.match(await api(origin, 'DELETE', `/users/bob/clients?code=${code}`), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } }, String(code))
  }
  bob.send('still here')
  t.match(await bob.next(), /still here/)
})

t.test('every route of the API requires a token with the role admin', async (t) => {
  const { app, origin } = await listen(t)
  const routes = [
    ['POST', '/broadcast'], ['POST', '/users/a/messages'], ['POST', '/clients/a/messages'], ['POST', '/groups/a/messages'],
    ['GET', '/clients'], ['GET', '/clients/a'], ['DELETE', '/clients/a'], ['DELETE', '/users/a/clients'],
    ['GET', '/groups'], ['GET', '/groups/a/clients'], ['PUT', '/groups/a/clients/b'], ['DELETE', '/groups/a/clients/b'], ['PUT', '/users/a/groups/b'], ['DELETE', '/users/a/groups/b'],
    ['GET', '/users/a/inbox'], ['DELETE', '/users/a/inbox'], ['GET', '/messages/1']
  ] as const
  for (const [method, path] of routes) {
    const anonymous = await fetch(origin + path, { method })
    t.equal(anonymous.status, 401, `${method} ${path} without a token`)
    t.equal(anonymous.headers.get('www-authenticate'), 'Bearer')
    t.match(await anonymous.json(), { code: 'HUB_TOKEN_MISSING' })
    t.match(await api(origin, method, path, undefined, ['user']), { status: 403, body: { code: 'HUB_FORBIDDEN' } }, `${method} ${path} without the role`)
  }
  for (const name of ['token', 'access_token']) {
    for (const path of ['/clients', '/groups', '/groups/a/clients', '/users/a/inbox']) t.equal((await fetch(`${origin}${path}?${name}=${token({ roles: ['admin'] })}`)).status, 200, `${path} ${name}`)
    t.equal((await fetch(`${origin}/users/a/clients?${name}=${token({ roles: ['admin'] })}`, { method: 'DELETE' })).status, 200, name)
  }
  for (const path of ['//clients', '/%63lients/', '/clients/', '/CLIENTS', '/./clients', '/clients;x', '/x/../clients']) {
    t.not((await app.inject({ method: 'GET', url: path })).statusCode, 200, path)
  }
})

t.test('invalid input gets a status, a stable code and a message', async (t) => {
  const { app, origin } = await listen(t, { websocket: { maxMessageSize: 1000 } })
  const post = async (body: string | undefined, type: string | undefined = 'application/json', path = '/broadcast') => {
    const { statusCode, body: text } = await app.inject({
      method: 'POST', url: path, headers: { authorization: `Bearer ${token({ roles: ['admin'] })}`, ...(type === '' ? {} : { 'content-type': type }) }, ...(body === undefined ? {} : { body })
    })
    const { code, message } = JSON.parse(text) as { code: string, message: string }
    return { statusCode, code, message }
  }
  const invalid = { statusCode: 400, code: 'HUB_REQUEST_INVALID', message: /./ }
  for (const body of [undefined, '', '{', 'null', '[]', '"hello"', '{}', '{"mesage":"typo"}', '{"message":"x","excpet":[]}', '{"message":"x","except":"a"}', '{"message":"x","except":[1]}',
    '{"message":"x","key":""}', '{"message":"x","key":5}', '{"message":"x","ttl":0}', '{"message":"x","ttl":"1"}', '{"message":"x","__proto__":{"a":1}}', '{"message":{"constructor":{"prototype":{"a":1}}}}']) {
    t.match(await post(body), invalid, String(body))
  }
  for (const type of ['application/json\ta', 'application/jsonx', 'text/html', 'application/x-www-form-urlencoded', '']) {
    t.ok([400, 415].includes((await post('{"message":"x"}', type)).statusCode), JSON.stringify(type))
  }
  t.equal((await post('{"message":"x"}', 'APPLICATION/JSON; charset=utf-8')).statusCode, 202)
  t.equal((await post(JSON.stringify({ message: 'x'.repeat(1000) }))).statusCode, 202)
  t.match(await post(JSON.stringify({ message: 'x'.repeat(1001) })), { statusCode: 413, code: 'HUB_MESSAGE_TOO_LARGE' })
  t.match(await post(JSON.stringify({ message: 'x'.repeat(10_000) })), { statusCode: 413, code: 'HUB_MESSAGE_TOO_LARGE' })
  const { statusCode } = await post(JSON.stringify({ message: 'é'.repeat(501) }))
  t.equal(statusCode, 413, 'the limit counts bytes, not characters')
  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'after=', 'other=1']) {
    t.match(await api(origin, 'GET', `/clients?${query}`), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } }, query)
  }
  t.match(await api(origin, 'GET', '/nowhere'), { status: 404, body: { statusCode: 404, code: 'HUB_NOT_FOUND', error: 'Not Found', message: 'There is nothing at this address.' } })
  t.match(await api(origin, 'GET', '/%zz'), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } })
})

t.test('an internal error is logged, and its message is not in the response', async (t) => {
  const { app, log } = await build(t)
  app.get('/broken', () => { throw new Error('the password is hunter2') })
  const { statusCode, body } = await app.inject('/broken')
  t.equal(statusCode, 500)
  t.match(JSON.parse(body), { code: 'HUB_INTERNAL' })
  t.notOk(body.includes('hunter2'))
  t.ok(log.text.includes('hunter2'))
})

t.test('/healthz responds without a token, and /readyz is ready only while clients are accepted', async (t) => {
  const { app } = await build(t)
  await app.ready()
  const get = async (path: string) => {
    const { statusCode, body } = await app.inject(path)
    return [statusCode, JSON.parse(body)] as unknown
  }
  t.same(await get('/healthz'), [200, { status: 'ok' }])
  t.same(await get('/readyz'), [200, { status: 'ready' }])
  await app.hub.drain()
  t.same(await get('/readyz'), [503, { status: 'closed' }])
  t.same(await get('/healthz'), [200, { status: 'ok' }])
})

t.test('the API and the console can be switched off', async (t) => {
  const { app } = await build(t, { api: false, console: false })
  const headers = { authorization: `Bearer ${token({ roles: ['admin'] })}` }
  for (const url of ['/broadcast', '/clients', '/healthz', '/']) t.equal((await app.inject({ url, headers })).statusCode, 404, url)
})
