import type { TSchema } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { fastifyHub } from '../../index.ts'
import { Disconnected, ErrorResponse, Membership, Purged } from '../../routes/api/schemas.ts'
import { useOwnCompilers } from '../../routes/compilers.ts'
import { ClientInfo, ClientPage, GroupPage, InboxInfo, MessageStatus } from '../../services/model/info.ts'
import { Receipt } from '../../services/model/message.ts'
import { auth, listen, type Step } from '../support/foreign-app.ts'
import { connect, IN_MEMORY, token, until } from '../support/helper.ts'

const hubWithApi: Step = (app) => app.register(fastifyHub, { ...IN_MEMORY, auth, api: true })

/** Text with every character that JSON escapes, and with characters of two code units. */
const TEXT = '"\\/\b\f\n\r\t\0\u2028\u2029 ü你💥\ud800'
/** A similar text for ids, without half a surrogate pair. */
const NAME = '"\\/\n\0 ü你💥'
const MAX = Number.MAX_SAFE_INTEGER
const AT = '2026-11-18T12:00:00.000Z'

const client: ClientInfo = {
  id: NAME,
  user: TEXT,
  roles: ['admin', TEXT],
  groups: [], groupCount: 0,
  device: '',
  protocol: 'raw',
  address: '::1',
  openedAt: AT,
  received: 0,
  delivered: MAX,
  dropped: 1,
  behind: true
}
const receipt: Receipt = { offset: MAX, duplicate: false, stored: true, matched: 3, written: 1, behind: 1, dropped: 1 }
const status: MessageStatus = { offset: MAX, address: { all: true }, at: AT, total: 0, users: [] }
const users = (['stored', 'sent', 'acknowledged', 'expired'] as const).map((status) => ({ user: TEXT, status }))

/** Values that match each schema. */
const VALUES: Array<[schema: TSchema, values: readonly unknown[]]> = [
  [Receipt, [receipt, { ...receipt, duplicate: true, stored: false, offset: 1, behind: -0 }]],
  [ClientInfo, [client, { ...client, groups: [NAME, TEXT], behind: false }]],
  [ClientPage, [{ total: 0, dropped: 0, clients: [], next: null }, { total: 2, dropped: MAX, clients: [client, client], next: TEXT }]],
  [GroupPage, [{ groups: [], next: null }, { groups: [{ group: TEXT, clients: 1 }], next: TEXT }]],
  [InboxInfo, [
    { user: TEXT, count: 0, oldest: null, dropped: 0, cursors: [] },
    { user: TEXT, count: 1, oldest: MAX, dropped: MAX, cursors: [{ device: '', acknowledged: 0, at: AT }, { device: TEXT, acknowledged: MAX, at: AT }] }
  ]],
  [MessageStatus, [
    status,
    { ...status, address: { user: NAME }, total: 4, users },
    ...[{ group: NAME }, { client: NAME }, { user: '' }].map((address) => ({ ...status, address }))
  ]],
  [Disconnected, [{ disconnected: 0 }, { disconnected: MAX }]],
  [Membership, [{ group: TEXT, member: true }, { group: TEXT, member: false }]],
  [Purged, [{ purged: 0 }, { purged: MAX }]],
  [ErrorResponse, [
    { statusCode: 404, code: 'HUB_NOT_FOUND', error: 'Not Found', message: TEXT },
    { statusCode: 418, code: 'OWN', error: TEXT, message: '', details: [{ own: undefined }, null, 1.5] }
  ]]
]
/** Values of other forms, which hooks of an application may send. */
const FOREIGN = [{}, { own: true }, { message: 5 }, [], [1, null], { statusCode: '404', code: null, error: [], message: undefined }]

t.test('every response is serialized like JSON.stringify', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  useOwnCompilers(app)
  const expected: string[] = []
  for (const [at, [schema, values]] of VALUES.entries()) {
    for (const [n, value] of [...values, ...FOREIGN].entries()) {
      app.get(`/${at}/${n}`, { schema: { response: { 200: schema } } }, async () => value)
      expected.push(`/${at}/${n} ${JSON.stringify(value)}`)
    }
  }
  const received: string[] = []
  for (const url of expected.map((line) => line.slice(0, line.indexOf(' ')))) received.push(`${url} ${(await app.inject(url)).body}`)
  t.strictSame(received, expected)
})

t.test('fields that a response schema does not have are removed', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  useOwnCompilers(app)
  app.get('/', { schema: { response: { 200: Receipt } } }, async () => ({ ...receipt, secret: 'hunter2' }))
  t.equal((await app.inject('/')).body, JSON.stringify(receipt))
})

/** Sends requests to every route, valid and invalid ones. Returns status, content type and body of each response. */
async function callEveryRoute (t: Test, app: FastifyInstance, origin: string, url: string): Promise<string[]> {
  const [clientIds, lines]: [string[], string[]] = [[], []]
  const call = async (method: string, path: string, body?: unknown, roles = ['admin']) => {
    const headers = { authorization: `Bearer ${token({ user: 'operator', roles })}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    const response = await fetch(origin + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    lines.push(`${response.status} ${response.headers.get('content-type')} ${await response.text()}`)
  }
  for (const user of ['alice', 'bob', 'bob']) await connect(t, url, { user })
  for (const { id } of (await app.hub.clients()).clients) clientIds.push(id)
  const [alice = '', bob = ''] = clientIds

  await call('PUT', '/users/bob/groups/news')
  await call('PUT', `/groups/news/clients/${alice}`)
  for (const path of ['/broadcast', '/users/bob/messages', '/users/dave/messages', '/groups/news/messages', `/clients/${bob}/messages`]) {
    await call('POST', path, { message: { path }, key: 'once' })
    const { offset } = JSON.parse(lines.at(-1)?.replace(/^[^{]*/, '') ?? '') as { offset: number }
    await call('GET', `/messages/${offset}`)
  }
  await call('POST', '/broadcast', { message: { path: '/broadcast' }, key: 'once' })
  await until(async () => (await app.hub.inbox('bob')).cursors.length > 0, 'the acknowledgement')
  const lists = ['/clients', '/clients?limit=1', '/groups', '/groups?limit=1', '/groups/news/clients', '/groups/news/clients?limit=1']
  for (const path of ['/users/bob/inbox', '/users/dave/inbox', `/clients/${alice}`, ...lists]) await call('GET', path)
  await call('DELETE', '/users/dave/inbox')
  await call('DELETE', `/groups/news/clients/${alice}`)
  await call('DELETE', '/users/bob/groups/news')
  await call('DELETE', `/clients/${alice}`)
  await call('DELETE', '/users/bob/clients')

  await call('POST', '/broadcast', {})
  await call('POST', '/broadcast', { message: 'another', key: 'once' })
  await call('POST', '/broadcast', { message: 'x'.repeat(66_000) })
  await call('GET', '/clients', undefined, [])
  await call('GET', '/clients?limit=0')
  for (const path of ['/clients/gone', `/messages/${MAX}`, '/messages/0', '/users//inbox']) await call('GET', path)
  return lines
}

const own: Step = (app) => {
  app.setSerializerCompiler(() => (data: unknown) => JSON.stringify({ compiled: data }))
  app.setReplySerializer((payload) => JSON.stringify({ own: payload }))
  app.setValidatorCompiler(() => () => ({ error: new Error('the application refuses every request') }))
}
const ownRoute: Step = (app) => app.get('/own', async () => ({ n: 1 }))

for (const [title, ownSteps, body] of [
  ['an application', [], '{"n":1}'],
  ['an application with its own serializers and validators', [own], '{"own":{"n":1}}']
] as const) {
  t.test(`the responses of all routes are serialized in ${title}`, async (t) => {
    const payloads: unknown[] = []
    const record: Step = (app) => app.addHook('preSerialization', async (_request, _reply, payload) => { payloads.push(payload); return payload })
    const { app, origin, url } = await listen(t, [...ownSteps, record, hubWithApi, ownRoute])
    const lines = await callEveryRoute(t, app, origin, url)
    t.strictSame(lines.map((line) => line.replace(/^\d+ /, '')), payloads.map((payload) => `application/json; charset=utf-8 ${JSON.stringify(payload)}`))
    t.strictSame([...new Set(lines.map((line) => line.slice(0, 3)))].sort(), ['200', '202', '400', '403', '404', '413', '422'])
    t.equal(await (await fetch(`${origin}/own`)).text(), body)
  })
}

t.test('the response of a hook of the application is not changed', async (t) => {
  const bodies: Record<string, unknown> = { list: ['own'], object: { message: 'not today' }, error: { statusCode: 403, code: 'OWN', error: 'Forbidden', message: 'no', more: 1 } }
  const refuse: Step = (app) => app.addHook('onRequest', async (request, reply) => reply.code(403).send(bodies[String(request.headers['x-body'])]))
  const { origin } = await listen(t, [refuse, hubWithApi])
  const received: Record<string, unknown> = {}
  for (const name of Object.keys(bodies)) received[name] = await (await fetch(`${origin}/clients`, { headers: { 'x-body': name } })).json()
  t.strictSame(received, bodies)
})
