import t from 'tap'
import { api, connect, listen, token, type TestClient } from '../../support/helper.ts'

/** Sends a POST as an operator, with additional headers. */
async function post (origin: string, path: string, body: object, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${token({ user: 'operator', roles: ['admin'] })}`
  const response = await fetch(origin + path, { method: 'POST', headers: { authorization, 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
  return { status: response.status, body: await response.json() as Record<string, unknown> }
}

/** Starts a service with the client bob in the group news. `paths` are the routes that publish to bob. */
async function withBob (t: Parameters<typeof listen>[0]): Promise<{ origin: string, bob: TestClient, paths: string[] }> {
  const { app, origin, url } = await listen(t)
  const bob = await connect(t, url, { user: 'bob' })
  const { clients: [first] } = await app.hub.clients()
  const id = first?.id ?? ''
  await app.hub.join(id, 'news')
  return { origin, bob, paths: ['/broadcast', '/users/bob/messages', `/clients/${id}/messages`, '/groups/news/messages'] }
}

t.test('a message with a key is published once, with the key in the header or in the body', async (t) => {
  const { origin, bob, paths } = await withBob(t)
  for (const path of paths) {
    const message = { to: path }
    const first = await post(origin, path, { message }, { 'idempotency-key': 'order 7' })
    t.match(first, { status: 202, body: { duplicate: false, stored: true, matched: 1, written: 1 } }, path)
    const again = { status: 202, body: { ...first.body, duplicate: true } }
    t.same(await post(origin, path, { message }, { 'idempotency-key': 'order 7' }), again, `${path} again`)
    t.same(await post(origin, path, { message, key: 'order 7' }), again, `${path} in the body`)
    t.same(await post(origin, path, { message, key: 'order 7' }, { 'idempotency-key': 'order 7' }), again, `${path} in both`)
    t.same(await post(origin, path, { message }, { 'Idempotency-Key': ' "order 7" ' }), again, `${path} as a structured string`)
    t.equal(await bob.next(), JSON.stringify(message))
    t.match(await post(origin, path, { message }, { 'idempotency-key': 'order 8' }), { body: { duplicate: false } }, `${path} under another key`)
    t.equal(await bob.next(), JSON.stringify(message))
  }
  t.same(await bob.quiet(), [], 'no message was delivered twice')
})

t.test('a key of another message is refused', async (t) => {
  const { origin, bob, paths } = await withBob(t)
  for (const path of paths) {
    t.equal((await post(origin, path, { message: 'one' }, { 'idempotency-key': 'k' })).status, 202)
    const reused = { status: 422, body: { statusCode: 422, code: 'HUB_KEY_REUSED', message: /take a new key/ } }
    t.match(await post(origin, path, { message: 'two' }, { 'idempotency-key': 'k' }), reused, path)
    t.match(await post(origin, path, { message: 'two', key: 'k' }), reused, path)
    t.match(await post(origin, path, { message: '"one"', key: 'k' }), reused, `${path}: text is not its JSON`)
    const duplicate = await post(origin, path, { message: 'one', key: 'k' })
    const expected = { status: 202, body: { duplicate: true } }
    t.match(duplicate, expected, `${path}: the key still belongs to the first message`)
    t.equal(await bob.next(), 'one')
  }
  t.same(await bob.quiet(), [], 'no refused message was delivered')
})

t.test('an invalid key is refused, and so are two different keys', async (t) => {
  const { origin, bob, paths } = await withBob(t)
  const invalid = { status: 400, body: { code: 'HUB_REQUEST_INVALID', message: /Idempotency-Key/ } }
  for (const path of paths) {
    t.match(await post(origin, path, { message: 'x', key: 'a' }, { 'idempotency-key': 'b' }), { ...invalid, body: { message: /differ/ } }, path)
    t.match(await post(origin, path, { message: 'x', key: 'a' }, { 'idempotency-key': 'A' }), invalid, path)
    for (const key of ['', '""', ' ', 'x'.repeat(257)]) t.match(await post(origin, path, { message: 'x' }, { 'idempotency-key': key }), invalid, `${path} ${key}`)
    t.match(await post(origin, path, { message: 'x', key: 'x'.repeat(257) }), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } }, path)
  }
  t.same(await bob.quiet(), [])
  const accepted = { status: 202, body: { duplicate: false } }
  const longest = await post(origin, '/broadcast', { message: 'x' }, { 'idempotency-key': 'x'.repeat(256) })
  t.match(longest, accepted, 'the greatest length')
  const quote = await post(origin, '/broadcast', { message: 'y' }, { 'idempotency-key': '"' })
  t.match(quote, accepted, 'a single quote is a key')
})

t.test('concurrent requests with the same key publish once', async (t) => {
  const { origin, bob } = await withBob(t)
  const receipts = await Promise.all(Array.from({ length: 20 }, () => post(origin, '/users/bob/messages', { message: 'once' }, { 'idempotency-key': 'k' })))
  t.equal(receipts.filter(({ body }) => body['duplicate'] === false).length, 1)
  t.equal(new Set(receipts.map(({ body }) => body['offset'])).size, 1)
  for (const { status, body } of receipts) t.match({ status, body }, { status: 202, body: { stored: true, matched: 1, written: 1 } })
  t.equal(await bob.next(), 'once')
  t.same(await bob.quiet(), [])
})

t.test('a receipt reports whether the log has the message', async (t) => {
  const { origin, bob, paths } = await withBob(t)
  for (const path of paths) {
    t.match(await post(origin, path, { message: 'x' }), { status: 202, body: { stored: true, matched: 1, written: 1, behind: 0, dropped: 0 } }, path)
    t.equal(await bob.next(), 'x')
    const first = await post(origin, path, { message: 'now or never', keep: false }, { 'idempotency-key': 'k' })
    t.match(first, { status: 202, body: { stored: false, duplicate: false, matched: 1, written: 1 } }, path)
    t.same((await post(origin, path, { message: 'now or never', keep: false }, { 'idempotency-key': 'k' })).body, { ...first.body, duplicate: true })
    t.equal(await bob.next(), 'now or never')
  }
  const stored = await post(origin, '/users/nobody/messages', { message: 'x' })
  t.match(stored, { status: 202, body: { stored: true, matched: 0 } }, 'stored in the inbox')
  const dropped = await post(origin, '/users/nobody/messages', { message: 'x', keep: false })
  t.match(dropped, { status: 202, body: { stored: false, matched: 0 } }, 'neither stored nor delivered')
  t.match((await api(origin, 'GET', '/users/nobody/inbox')).body, { count: 1 })
})
