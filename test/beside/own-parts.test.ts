// An application with parsers, compilers, serializers, handlers and hooks of its own: the hub's routes respond as in an
// application without them, and the routes of the application respond in its own way.

import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { fastifyHub } from '../../index.ts'
import { auth, listen, open, type Step } from '../support/foreign-app.ts'
import { openEvents } from '../support/event-client.ts'
import { connect, ECHO, IN_MEMORY, token } from '../support/helper.ts'
import { handshake, rawRequest } from '../support/raw-client.ts'

const withoutCompat: Step = (app) => app.register(fastifyHub, { ...IN_MEMORY, auth, api: true, compat: { ginServer: 'token', learnGin: 'token', pushMessage: 'token' } })
const withGinSkeleton: Step = (app) => app.register(fastifyHub, { ...IN_MEMORY, auth, prefix: '/p', compat: { ginSkeleton: 'token' } })

const admin = token({ user: 'operator', roles: ['admin'] })

/** A request with a body, without a connection that stays open. */
function post (path: string, body: string, type = 'application/json', bearer = admin): string {
  return [
    `POST ${path} HTTP/1.1`, 'Host: x', 'Connection: close', `Authorization: Bearer ${bearer}`, `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`, '', body
  ].join('\r\n')
}

function plain (method: string, path: string, bearer = admin): string {
  return `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${bearer}\r\n\r\n`
}

/** Requests to every kind of route of the hub: accepted ones, and refusals of every origin. */
const REQUESTS = [
  // The REST API.
  post('/broadcast', '{"message":"news"}'),
  post('/broadcast', '{}'),
  post('/broadcast', '{"message":1,"ttl":"x"}'),
  post('/broadcast', '{'),
  post('/broadcast', '{"message":1}', 'text/plain'),
  post('/broadcast', '{"message":1}', 'no type'),
  post('/broadcast', `{"message":"${'x'.repeat(70_000)}"}`),
  post('/broadcast', `{"message":"${'x'.repeat(3_000_000)}"}`),
  post('/broadcast', '{"message":1}', 'application/json', 'wrong'),
  post('/broadcast', '{"message":1}', 'application/json', token()),
  plain('GET', '/clients'),
  plain('GET', '/clients?limit=0'),
  plain('GET', '/groups'),
  plain('HEAD', '/groups'),
  plain('GET', '/users/bob/inbox'),
  plain('DELETE', '/users/bob/inbox'),
  plain('PUT', '/users/bob/groups/news'),
  plain('GET', '/messages/x'),
  plain('GET', '/messages/9007199254740991'),
  // WebSocket.
  handshake({}),
  handshake({ token: 'wrong' }),
  handshake({ token: token(), headers: { Origin: 'https://elsewhere.example' } }),
  handshake({ token: token(), headers: { 'Sec-WebSocket-Version': '12' } }),
  plain('GET', '/admin/ws'),
  // Server-Sent Events.
  plain('GET', '/admin/events', 'wrong'),
  plain('GET', '/admin/events?device=%20', token()),
  plain('OPTIONS', '/admin/events'),
  `GET /admin/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://elsewhere.example\r\n\r\n`,
  // The endpoints of older services.
  handshake({ path: '/ws' }),
  handshake({ path: '/echo' }),
  handshake({ path: '/client/bob', token: token() }),
  plain('GET', '/ws'),
  plain('GET', '/sendall?msg=x'),
  plain('GET', '/sendall?msg=x', token()),
  post('/sendall', '{"a":1}'),
  post('/sendall', 'text', 'text/plain'),
  post('/message', '"x"'),
  post('/message', '"x"', 'text/plain'),
  post('/message', '{'),
  post('/message/bob', '"x"'),
  plain('POST', '/message/?a=b'),
  plain('DELETE', '/client/bob'),
  plain('DELETE', '/deleteClient/bob')
]
const GIN_SKELETON_REQUESTS = [handshake({ path: '/p/admin/ws' }), handshake({ path: '/p/admin/ws', token: 'wrong' }), plain('GET', '/p/admin/ws/'), plain('GET', '/p/admin/ws')]

/** Sends the requests one by one. Returns each response without the parts that differ from run to run. */
async function responses (port: number, requests: readonly string[]): Promise<string[]> {
  const received: string[] = []
  for (const request of requests) {
    const response = await rawRequest(port, request)
    received.push(`${request.slice(0, 80)} → ${response.replace(/\r\ndate: [^\r]*/gi, '').replace(/"offset":\d+/g, '"offset":…')}`)
  }
  return received
}

/** Everything with which an application changes how its routes read, check, serialize and refuse. */
const own: Step = (app) => {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, { own: body.length }))
  app.setValidatorCompiler(() => () => ({ error: new Error('the application refuses every request') }))
  app.setSchemaErrorFormatter(() => new Error('own format'))
  app.setSerializerCompiler(() => (data: unknown) => JSON.stringify({ compiled: data }))
  app.setReplySerializer((payload) => JSON.stringify({ own: payload }))
  app.setErrorHandler((error: Error, _request, reply) => reply.code(418).send(error.message))
  app.setNotFoundHandler((_request, reply) => reply.code(404).send('own 404'))
  app.decorateRequest('identity', null)
  app.addHook('preSerialization', async (_request, _reply, payload) => payload)
  app.addHook('onSend', async (_request, _reply, payload) => payload)
  app.addHook('onError', async () => {})
}
const options: FastifyServerOptions = {
  exposeHeadRoutes: true,
  schemaErrorFormatter: () => new Error('own format of the server'),
  schemaController: {
    compilersFactory: {
      buildValidator: () => () => () => false,
      buildSerializer: () => () => () => 'never'
    }
  } as unknown as NonNullable<FastifyServerOptions['schemaController']>
}
const removed: Step = (app) => { app.removeAllContentTypeParsers() }
const ownRoutes: Step = (app) => {
  app.get('/own', async () => ({ n: 1 }))
  app.post('/own', async (request) => request.body)
  app.get('/own/error', async () => { throw new Error('own error') })
}

async function expectSame (t: Test, hub: Step, requests: readonly string[], steps: readonly Step[], options?: FastifyServerOptions): Promise<{ app: FastifyInstance, origin: string, url: string }> {
  const bare = await listen(t, [hub])
  const beside = await listen(t, steps, options)
  t.strictSame(await responses(beside.port, requests), await responses(bare.port, requests))
  return beside
}

t.test('the routes of the hub respond as in an application without parts of its own', async (t) => {
  const { app, origin, url } = await expectSame(t, withoutCompat, REQUESTS, [own, withoutCompat, ownRoutes], options)
  await t.test('which a client of each kind can use', async (t) => {
    const client = await connect(t, url)
    const events = await openEvents(t, origin, { user: 'bob' })
    const older = await open(t, `${url.replace('/admin/ws', '/ws')}?token=${token()}`)
    client.send('hi')
    t.equal(await client.next(), `${ECHO}hi`)
    older.send(JSON.stringify({ actioncode: 'heart_beat' }))
    await older.next()
    await app.hub.broadcast('news')
    t.equal(await client.next(), 'news')
    t.same(events.data, ['news'])
  })
  await t.test('and its own routes respond in their own way', async (t) => {
    t.equal(await (await fetch(`${origin}/own`)).text(), '{"own":{"n":1}}')
    t.equal(await (await fetch(`${origin}/own`, { method: 'POST', body: 'abc', headers: { 'content-type': 'application/json' } })).text(), '{"own":{"own":3}}')
    t.equal(await (await fetch(`${origin}/own/error`)).text(), 'own error')
    t.equal(await (await fetch(`${origin}/nothing`)).text(), 'own 404')
  })
})

t.test('the endpoint of GinSkeleton responds as in an application without parts of its own', async (t) => {
  await expectSame(t, withGinSkeleton, GIN_SKELETON_REQUESTS, [own, withGinSkeleton], options)
})

t.test('parts that the application adds behind the hub have no effect either', async (t) => {
  await expectSame(t, withoutCompat, REQUESTS, [withoutCompat, own, ownRoutes])
})

t.test('an application without content type parsers', async (t) => {
  const { origin } = await expectSame(t, withoutCompat, REQUESTS, [removed, withoutCompat, ownRoutes])
  t.equal((await fetch(`${origin}/own`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })).status, 415)
})
