// A message arrives as the text that the request has, or the request is refused: digits, bytes, encodings, depth, size.
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { fastifyHub, JsonText } from '../../../index.ts'
import { openEvents } from '../../support/event-client.ts'
import { connect, IN_MEMORY, listen, SECRET, token, until } from '../../support/helper.ts'
import { connectJson, PLAIN, RELIABLE } from '../../support/json-client.ts'
import { rawRequest } from '../../support/raw-client.ts'

const ROUTES = ['/broadcast', '/users/alice/messages', '/groups/g/messages', '/clients/ID/messages']

/** Sends a request body as it is. */
async function post (origin: string, path: string, body: string | Buffer, headers: Record<string, string> = {}) {
  const response = await fetch(origin + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token({ roles: ['admin'] })}`, 'content-type': 'application/json', ...headers },
    body
  })
  return { status: response.status, body: await response.json() as Record<string, unknown> }
}

/** A service with clients of every protocol, all of them alice and in the group g. */
async function serve (t: Test) {
  const service = await listen(t, { websocket: { messagesPerSecond: 0 } })
  const raw = await connect(t, service.url)
  const [plain, reliable] = [await connectJson(t, service.url, { user: 'alice', subprotocol: PLAIN }), await connectJson(t, service.url, { user: 'alice', subprotocol: RELIABLE })]
  const events = await openEvents(t, service.origin, { user: 'alice' })
  await service.app.hub.join({ user: 'alice' }, 'g')
  return { ...service, raw, plain, reliable, events }
}

const VERBATIM = [
  '{"id":653247040368672768}', '9007199254740993', '1e400', '-0.0', '{"b":1,"a":[1.50,100.00]}', '[ 1 ,\n 2 ]', '{"a":"\\ud800\\u0041"}', '{"message":{"message":"}\\""}}', 'null', '[[]]'
]

t.test('JSON arrives as the very text of the request, in every protocol and from every route', async (t) => {
  const { app, origin, raw, plain, reliable, events } = await serve(t)
  const { clients: [first] } = await app.hub.clients({ user: 'alice' })
  const expected: string[] = []
  for (const path of ROUTES) {
    for (const [n, json] of VERBATIM.entries()) {
      const { status } = await post(origin, path.replace('ID', first?.id ?? ''), ` {"key" : "${path} ${n}" ,"message": ${json} }`)
      t.equal(status, 202, `${path} ${json}`)
      t.equal(await raw.next(), json, `${path} ${json}`)
      if (path.startsWith('/clients')) continue
      for (const client of [plain, reliable]) t.ok(String(await client.next()).includes(`"dataType":"json","data":${json}`), json)
      expected.push(json)
    }
  }
  await until(() => events.data.length === expected.length)
  t.same(events.data, expected)
})

t.test('JSON of a client arrives as the very text of its frame', async (t) => {
  const { url, raw, reliable } = await serve(t)
  const sender = await connectJson(t, url, { user: 'bob', roles: ['webpubsub.sendToGroup'] })
  for (const json of VERBATIM) {
    sender.send(`{"type":"sendToGroup","group":"g", "data" : ${json} ,"ackId":${VERBATIM.indexOf(json)}}`)
    t.match(await sender.nextJson(), { success: true }, json)
    t.equal(await raw.next(), json)
    t.ok(String(await reliable.next()).includes(`"data":${json}`), json)
  }
})

t.test('an application publishes JSON text, and gets an error for a value that would arrive changed', async (t) => {
  const { app, raw } = await serve(t)
  for (const json of VERBATIM) {
    await app.hub.broadcast(JsonText.parse(json))
    t.equal(await raw.next(), json)
  }
  for (const message of [NaN, { a: [Infinity] }, 'half \ud83d', { deep: JSON.parse('['.repeat(128) + ']'.repeat(128)) as unknown }, { nested: JsonText.parse('1') }]) {
    await t.rejects(app.hub.broadcast(message), { code: 'HUB_REQUEST_INVALID' })
  }
})

t.test('a body that would arrive changed is refused', async (t) => {
  const { app, origin, raw } = await serve(t)
  const { clients: [first] } = await app.hub.clients({ user: 'alice' })
  const latin1 = Buffer.concat([Buffer.from('{"message":"caf'), Buffer.of(0xe9), Buffer.from('"}')])
  const cases: Array<[what: string, body: string | Buffer, headers: Record<string, string>, status: number, code: string, message: RegExp]> = [
    ['Latin-1', latin1, {}, 400, 'HUB_REQUEST_INVALID', /not UTF-8/],
    ['UTF-16', Buffer.from('{"message":"x"}', 'utf16le'), {}, 400, 'HUB_REQUEST_INVALID', /no JSON/],
    ['another charset', '{"message":"x"}', { 'content-type': 'application/json; charset=iso-8859-1' }, 415, 'HUB_CONTENT_TYPE_UNSUPPORTED', /UTF-8/],
    ['half a surrogate pair', '{"message":"\\ud83d"}', {}, 400, 'HUB_REQUEST_INVALID', /surrogate/],
    ['gzip', '{"message":"x"}', { 'content-encoding': 'gzip' }, 415, 'HUB_CONTENT_TYPE_UNSUPPORTED', /Content-Encoding: gzip/],
    ['an encoding of two steps', '{"message":"x"}', { 'content-encoding': 'identity, br' }, 415, 'HUB_CONTENT_TYPE_UNSUPPORTED', /Content-Encoding/],
    ['depth', `{"message":${'['.repeat(129)}${']'.repeat(129)}}`, {}, 400, 'HUB_REQUEST_INVALID', /128 levels/],
    ['great depth', `{"message":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, {}, 400, 'HUB_REQUEST_INVALID', /128 levels/],
    ['a prototype', '{"message":{"__proto__":{}}}', {}, 400, 'HUB_REQUEST_INVALID', /__proto__/],
    ['no JSON', '{"message":NaN}', {}, 400, 'HUB_REQUEST_INVALID', /no JSON/],
    ['two values', '{"message":1}{"message":2}', {}, 400, 'HUB_REQUEST_INVALID', /no JSON/],
    ['nothing', '', {}, 400, 'HUB_REQUEST_INVALID', /./],
    ['text', '{"message":1}', { 'content-type': 'text/plain' }, 415, 'HUB_CONTENT_TYPE_UNSUPPORTED', /./]
  ]
  for (const path of ROUTES) {
    for (const [what, body, headers, status, code, message] of cases) {
      t.match(await post(origin, path.replace('ID', first?.id ?? ''), body, headers), { status, body: { code, message } }, `${what} at ${path}`)
    }
  }
  t.match(await post(origin, '/broadcast', '\ufeff{"message":"a BOM is no part of it"}', { 'content-encoding': 'identity', 'content-type': 'application/json;charset="UTF-8"' }), { status: 202 })
  t.equal(await raw.next(), 'a BOM is no part of it')
  const deepest = `${'['.repeat(128)}${']'.repeat(128)}`
  t.match(await post(origin, '/broadcast', `{"message":${deepest}}`), { status: 202 })
  t.equal(await raw.next(), deepest)
})

t.test('the limit is the message as it goes out, however the body escapes it', async (t) => {
  const { app, origin, url, raw } = await serve(t)
  const escaped = (text: string) => `"${[...text].map((character) => [...Array(character.length).keys()].map((n) => `\\u${character.charCodeAt(n).toString(16).padStart(4, '0')}`).join('')).join('')}"`
  const except = Array.from({ length: 1000 }, (_, n) => `${String(n)}${'推'.repeat(250)}`)
  const largest = ['a'.repeat(65_535), '推'.repeat(21_845), '😀'.repeat(16_383), '"'.repeat(65_535), '\n'.repeat(65_535)]
  for (const text of largest) {
    for (const literal of [escaped(text), JSON.stringify(text)]) {
      t.match(await post(origin, '/broadcast', `{"message":${literal},"except":[${except.map(escaped).join(',')}]}`), { status: 202 }, text.slice(0, 1))
      t.equal(await raw.next(), text)
    }
    t.match(await post(origin, '/broadcast', `{"message":${escaped(`${text}aaaa`)}}`), { status: 413, body: { code: 'HUB_MESSAGE_TOO_LARGE' } })
  }
  const sender = await connectJson(t, url, { user: 'bob', roles: ['webpubsub.sendToGroup'] })
  for (const [ackId, text] of largest.entries()) {
    sender.send(`{"type":"sendToGroup","group":"g","dataType":"text","data":${escaped(text)},"ackId":${ackId}}`)
    t.match(await sender.nextJson(), { ackId, success: true })
    t.equal(await raw.next(), text)
  }
  const bytes = Buffer.alloc(65_535, 0xff)
  t.match(await sender.request({ type: 'sendToGroup', group: 'g', dataType: 'binary', data: bytes.toString('base64'), ackId: 100 }), { success: true })
  t.same(await raw.next(), bytes)
  await app.hub.broadcast(bytes)
  t.same(await raw.next(), bytes)
})

t.test('the older endpoints read bodies by the same rules', async (t) => {
  const { origin, url } = await listen(t, { compat: { learnGin: 'token', pushMessage: 'token' } })
  const raw = await connect(t, url)
  for (const path of ['/sendall', '/message']) {
    t.equal((await post(origin, path, Buffer.of(0x22, 0xe9, 0x22))).status, 400, path)
    t.equal((await post(origin, path, '1', { 'content-encoding': 'gzip' })).status, 415, path)
    t.equal((await post(origin, path, `${'['.repeat(129)}${']'.repeat(129)}`)).status, 400, path)
    const response = await fetch(origin + path, { method: 'POST', headers: { authorization: `Bearer ${token({ roles: ['admin'] })}`, 'content-type': 'application/json' }, body: '{"id":653247040368672768}' })
    t.equal(response.status, 200, path)
    t.equal(await raw.next(), '{"id":653247040368672768}', path)
    const long = JSON.stringify('"'.repeat(65_535))
    t.equal((await fetch(origin + path, { method: 'POST', headers: { authorization: `Bearer ${token({ roles: ['admin'] })}`, 'content-type': 'application/json' }, body: long })).status, 200, path)
    t.equal(await raw.next(), '"'.repeat(65_535), path)
  }
})

t.test('a JSON parser of the application does not read the bodies of the hub', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, _body, done) => done(null, { message: 'changed' }))
  await app.register(fastifyHub, { ...IN_MEMORY, auth: { secret: SECRET }, api: true })
  const origin = await app.listen({ port: 0 })
  const client = await connect(t, `${origin.replace('http', 'ws')}/admin/ws`)
  t.match(await post(origin, '/broadcast', '{"message":"as it is"}'), { status: 202 })
  t.equal(await client.next(), 'as it is')
})

t.test('no body is read of a client that may not send one, nor one that is announced as too large', async (t) => {
  const { port } = await listen(t, { compat: { learnGin: 'token', pushMessage: 'token' } })
  const head = (path: string, bearer: string, length: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bearer}\r\nContent-Type: application/json\r\n${length}\r\n\r\n`
  for (const path of ['/broadcast', '/users/bob/messages', '/sendall', '/message', '/message/bob']) {
    t.match(await rawRequest(port, head(path, 'wrong', 'Content-Length: 9')), /^HTTP\/1\.1 401 /, path)
    t.match(await rawRequest(port, head(path, token(), 'Content-Length: 9')), /^HTTP\/1\.1 403 /, path)
    if (path === '/message/bob') continue
    const admin = token({ roles: ['admin'] })
    t.match(await rawRequest(port, head(path, admin, 'Content-Length: 9000000'), { until: 'end' }), /^HTTP\/1\.1 413 [^]*connection: close/i, path)
    const chunked = `${head(path, admin, 'Transfer-Encoding: chunked')}2dc6c0\r\n${' '.repeat(3_000_000)}\r\n`
    t.match(await rawRequest(port, chunked, { until: 'end' }), /^HTTP\/1\.1 413 [^]*HUB_MESSAGE_TOO_LARGE/, `${path} in chunks`)
  }
})
