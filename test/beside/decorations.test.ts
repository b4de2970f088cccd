// What hooks of an application put on a request is there for `authenticate(token, request)`, on every kind of route.

import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { fastifyHub, type FastifyHubOptions, type Identity } from '../../index.ts'
import { listen, type Step } from '../support/foreign-app.ts'
import { IN_MEMORY } from '../support/helper.ts'
import { handshake, rawRequest } from '../support/raw-client.ts'

declare module 'fastify' {
  interface FastifyRequest { trail: string[] | null, fresh?: string }
}

const seen: string[] = []
const operator: Identity = { user: 'alice', roles: ['admin'] }
const authenticate: FastifyHubOptions['authenticate'] = (_token, request: FastifyRequest) => {
  seen.push([...request.trail ?? ['none'], request.fresh ?? 'none', typeof request.body].join(' '))
  return request.headers.cookie === 'let=me-in' ? operator : null
}
const hub: Step = (app) => app.register(fastifyHub, { ...IN_MEMORY, authenticate, api: true, compat: { ginServer: 'token', learnGin: 'token', pushMessage: 'token' } })
const hubWithGinSkeleton: Step = (app) => app.register(fastifyHub, { ...IN_MEMORY, authenticate, prefix: '/gin', compat: { ginSkeleton: 'token' } })

/** Hooks of an application: each appends to a decoration, and one takes its time. */
const hooks: Step = (app) => {
  app.decorateRequest('trail', null)
  app.addHook('onRequest', async (request) => { request.trail = ['onRequest'] })
  app.addHook('onRequest', (request, _reply, done) => { setImmediate(() => { request.trail?.push('later'); done() }) })
  app.addHook('preParsing', async (request) => { request.trail?.push('preParsing') })
  app.addHook('preValidation', async (request) => { request.trail?.push('preValidation') })
  app.addHook('preValidation', async (request) => { request.fresh = 'fresh' })
}

const plain = (method: string, path: string, body = '') => [
  `${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: close', 'Cookie: let=me-in', 'Content-Type: application/json', `Content-Length: ${body.length}`, '', body
].join('\r\n')
const upgrade = (path: string) => handshake({ path, headers: { Cookie: 'let=me-in' } })
const REQUESTS: Array<[request: string, status: RegExp]> = [
  [upgrade('/admin/ws'), /^101 /], [upgrade('/ws'), /^101 /], [upgrade('/echo'), /^101 /], [upgrade('/client/alice'), /^101 /], [upgrade('/getPushNews?userId=alice'), /^101 /],
  [plain('GET', '/admin/events'), /^200 /],
  [plain('GET', '/clients'), /^200 /], [plain('HEAD', '/clients'), /^200 /], [plain('POST', '/broadcast', '{"message":1}'), /^202 /], [plain('DELETE', '/users/bob/clients'), /^200 /],
  [plain('GET', '/sendall?msg=x'), /^200 /], [plain('POST', '/message', '"x"'), /^200 /], [plain('POST', '/message/alice', '"x"'), /^200 /], [plain('DELETE', '/client/bob'), /^404 /]
]

/** Returns the status of an event stream, which has no end. */
async function statusOfStream (port: number, text: string): Promise<string> {
  const sent = get({ port, path: '/admin/events', agent: false, headers: { cookie: /Cookie: (.*)\r/.exec(text)?.[1] } })
  const [response] = await once(sent, 'response') as [IncomingMessage]
  sent.on('error', () => {}).destroy()
  return `${response.statusCode} `
}

/** Sends the requests, with and without the cookie. Returns the statuses, and what the token check has seen. */
async function send (port: number, requests: readonly string[]): Promise<{ statuses: string[], seen: string[] }> {
  seen.length = 0
  const statuses: string[] = []
  for (const request of requests) {
    statuses.push(request.includes('/admin/events') ? await statusOfStream(port, request) : (await rawRequest(port, request)).slice(9))
  }
  return { statuses, seen: [...seen] }
}

async function check (t: Test, steps: readonly Step[], requests: typeof REQUESTS): Promise<void> {
  const { port } = await listen(t, steps)
  const accepted = await send(port, requests.map(([request]) => request))
  t.match(accepted.statuses, requests.map(([, status]) => status))
  t.same(accepted.seen, requests.map(() => 'onRequest later preParsing preValidation fresh undefined'), 'the check sees the same on each route, and no body')
  const refused = await send(port, requests.map(([request]) => request.replace('let=me-in', 'let=me')))
  t.match(refused.statuses, requests.map(() => /^(401|400) /))
  t.equal(refused.seen.length, requests.length)
}

for (const [title, steps] of [['before the hub', [hooks, hub]], ['after the hub', [hub, hooks]]] as const) {
  t.test(`hooks that were added ${title} run before the token check of every route`, (t) => check(t, steps, REQUESTS))
}

t.test('hooks run before the token check of the endpoint of GinSkeleton', (t) => check(t, [hooks, hubWithGinSkeleton], [[upgrade('/gin/admin/ws?token=0123456789'), /^101 /]]))
