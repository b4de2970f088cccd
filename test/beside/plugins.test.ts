// Other plugins beside the hub. The examples are those of docs/plugin.md.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import fastifyWebsocket from '@fastify/websocket'
import { transform } from 'esbuild'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { fastifyHub } from '../../index.ts'
import { packagePath } from '../../services/cli/package.ts'
import { openEvents } from '../support/event-client.ts'
import { auth, build, echoRoute, expectEchoFrom, foreignWebsocket, hub, listen, open, type Step } from '../support/foreign-app.ts'
import { api, connect, IN_MEMORY, LogLines, SECRET, TestClient, token } from '../support/helper.ts'
import { handshake, rawRequest } from '../support/raw-client.ts'
import { testFolder } from '../support/test-folder.ts'

const ORIGIN = 'https://app.example.com'
const CHAPTER = /^## Beside other plugins$([^]*?)^## /m.exec(readFileSync(packagePath('docs', 'plugin.md'), 'utf8'))?.[1] ?? ''

/** What the examples take from the application of the reader. */
const PRELUDE = `
import Fastify from 'fastify'
import { fastifyHub } from '${pathToFileURL(packagePath('index.ts')).href}'
const secret = '${SECRET}'
const sessions = { find: async (id) => id === 'of-alice' ? { userId: 'alice', isOperator: false, endsAt: Date.now() + 60_000 } : undefined }
export const app = Fastify()
`

/** Runs the example under a heading, without a log on disk, and listens. */
async function runExample (t: Test, heading: string) {
  const [, code = ''] = new RegExp(`^### ${heading}$[^]*?^\`\`\`ts\\n([^]*?)^\`\`\`$`, 'm').exec(CHAPTER) ?? []
  t.match(code, 'fastifyHub', 'the example exists')
  const inMemory = code.replace('fastifyHub, {', 'fastifyHub, { engine: { kind: "memory" },')
  const { code: script } = await transform(PRELUDE + inMemory, { loader: 'ts', format: 'esm' })
  const file = join(testFolder(t), `${heading.replaceAll(' ', '-')}.mjs`)
  // The compiled tests use the compiled sources.
  const compiled = new URL('../../index.js', import.meta.url).href
  writeFileSync(file, script.replace(pathToFileURL(packagePath('index.ts')).href, compiled))
  const { app } = await import(pathToFileURL(file).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, origin, port: Number(new URL(origin).port), url: `${origin.replace('http', 'ws')}/admin/ws` }
}

t.test('@fastify/cookie: a signed cookie takes the place of the token', async (t) => {
  const { app, port, url, origin } = await runExample(t, 'Cookies')
  const Cookie = `session=${app.signCookie('of-alice')}`
  const client = new TestClient(new WebSocket(url, { headers: { Cookie, Origin: ORIGIN } }))
  t.teardown(() => client.socket.terminate())
  await client.next()
  t.match(await app.hub.clients(), { clients: [{ user: 'alice' }] })
  t.match(await rawRequest(port, handshake({ headers: { Cookie: 'session=of-alice.forged' } })), /^HTTP\/1\.1 401 /)
  t.match(await rawRequest(port, handshake({ headers: { Cookie, Origin: 'https://elsewhere.example' } })), /^HTTP\/1\.1 403 /)
  t.equal((await fetch(`${origin}/admin/events`, { headers: { cookie: 'session=forged' } })).status, 401)
})

t.test('@fastify/cors: a page of another origin reads the responses of the API, refusals too', async (t) => {
  const { origin } = await runExample(t, 'CORS')
  const preflight = await fetch(`${origin}/users/bob/inbox`, { method: 'OPTIONS', headers: { origin: ORIGIN, 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'authorization' } })
  t.equal(preflight.status, 204)
  t.match(Object.fromEntries(preflight.headers), { 'access-control-allow-origin': ORIGIN, 'access-control-allow-methods': /DELETE/, 'access-control-allow-headers': 'authorization' })
  for (const path of ['/clients', '/admin/events']) {
    for (const bearer of ['wrong', token({ roles: ['admin'] })]) {
      const abort = new AbortController()
      const response = await fetch(origin + path, { signal: abort.signal, headers: { origin: ORIGIN, authorization: `Bearer ${bearer}` } })
      t.equal(response.status, bearer === 'wrong' ? 401 : 200, path)
      t.equal(response.headers.get('access-control-allow-origin'), ORIGIN, path)
      abort.abort()
    }
  }
})

t.test('@fastify/helmet: its headers stand beside those of the hub', async (t) => {
  const { origin, url } = await runExample(t, 'Security headers')
  const { status, headers } = await api(origin, 'GET', '/clients')
  t.equal(status, 200)
  t.ok(headers.has('strict-transport-security'))
  t.match(headers.get('content-security-policy'), /^default-src 'none'/)
  const { response } = await openEvents(t, origin)
  t.ok(response.headers['strict-transport-security'])
  await connect(t, url)
})

t.test('@fastify/rate-limit: the API is limited, and live clients are not', async (t) => {
  const { origin, url } = await runExample(t, 'Rate limits')
  const statuses = new Map<number, number>()
  let last: Awaited<ReturnType<typeof api>> | undefined
  for (let n = 0; n < 101; n++) {
    last = await api(origin, 'GET', '/clients')
    statuses.set(last.status, (statuses.get(last.status) ?? 0) + 1)
  }
  t.same(Object.fromEntries(statuses), { 200: 100, 429: 1 })
  t.match(last?.body, { statusCode: 429, code: 'HUB_TOO_MANY_UPGRADES', message: /Rate limit exceeded/ })
  t.ok(last?.headers.has('retry-after'))
  await connect(t, url)
  await openEvents(t, origin)
})

t.test('@fastify/swagger: the document has the routes of the API with their schemas', async (t) => {
  const { app } = await runExample(t, 'OpenAPI')
  const { paths } = app.swagger() as { paths: Record<string, Record<string, { requestBody?: unknown, responses?: object }>> }
  for (const path of ['/broadcast', '/clients', '/users/{id}/inbox', '/messages/{offset}']) t.ok(path in paths, path)
  t.match(paths['/broadcast'], { post: { requestBody: Object, responses: { 202: Object, '4XX': Object } } })
  t.notOk('/admin/ws' in paths)
})

const hubWithApi: Step = (app) => app.register(fastifyHub, { ...IN_MEMORY, api: true, authenticate: (token, request) => token === null && request.cookies['session'] === undefined ? null : { user: 'alice', roles: ['admin'] } })

t.test('the order of hooks and decorators does not matter', async (t) => {
  const steps: Step[] = [(app) => app.register(cookie), (app) => app.register(cors, { origin: ORIGIN }), (app) => app.register(helmet)]
  for (const order of [[...steps, hubWithApi], [hubWithApi, ...steps]]) {
    const log = new LogLines()
    const { origin, port } = await listen(t, order, { logger: { stream: log, level: 'warn' } })
    for (const path of ['/clients', '/users/bob/inbox']) {
      const { status, headers } = await fetch(origin + path, { headers: { cookie: 'session=1', origin: ORIGIN } })
      t.match({ status, origin: headers.get('access-control-allow-origin'), hsts: headers.get('strict-transport-security') }, { status: 200, origin: ORIGIN, hsts: String })
    }
    t.match(await rawRequest(port, handshake({ headers: { Cookie: 'session=1' } })), /^HTTP\/1\.1 101 /)
    t.equal(log.text, '')
  }
})

t.test('a plugin that has no effect behind the hub is named in a warning at boot, and before the hub it is not', async (t) => {
  for (const [name, plugin] of Object.entries({ '@fastify/rate-limit': rateLimit, '@fastify/swagger': swagger })) {
    const step: Step = (app) => app.register(plugin)
    for (const [steps, expected] of [[[hub, step], [`${name} was registered after fastify-hub, so`]], [[step, hub], []]] as const) {
      const log = new LogLines()
      const { app } = await build(t, steps, { logger: { stream: log, level: 'warn' } })
      await app.ready()
      t.match(log.lines.map(({ msg }) => msg), expected)
      t.equal(log.lines.length, expected.length)
    }
  }
})

t.test('@fastify/websocket behind the hub is an error that names the cause and the remedy, in every scope', async (t) => {
  const message = /^fastify-hub has registered @fastify\/websocket already: remove your own registration.* or move it before fastify-hub\.$/
  const ways: Record<string, Step> = {
    'at the top': foreignWebsocket,
    'without await': (app) => { app.register(fastifyWebsocket) },
    'in a scope': (app) => app.register(async (scope) => { await scope.register(fastifyWebsocket) }),
    'in a plugin': (app) => app.register(fp(async (scope) => { await scope.register(fastifyWebsocket) })),
    'as a promise of the module': (app) => app.register(import('@fastify/websocket'))
  }
  for (const [way, step] of Object.entries(ways)) {
    await t.rejects(build(t, [hub, step, (app) => app.ready()]), { message }, way)
  }
  const { ws } = await listen(t, [foreignWebsocket, (app) => app.register(fastifyHub, { ...IN_MEMORY, auth }), echoRoute('/chat')])
  await expectEchoFrom(t, await open(t, `${ws}/chat`), 'the application')
})
