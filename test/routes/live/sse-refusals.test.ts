// Event streams beside browsers and the plugins of an application: refusals that pass, CORS, headers of hooks, restarts,
// and connections that are no TCP sockets of HTTP/1. Takes over 10 s: 1000 clients wait before they reconnect, as told.
import { mkdtempSync, rmSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { fastifyHub } from '../../../app.ts'
import { browserMissing, openPage } from '../../support/browser.ts'
import { openEvents } from '../../support/event-client.ts'
import { build, connect, IN_MEMORY, listen, SECRET, token, until } from '../../support/helper.ts'

const LISTED = 'https://app.example.com'

/** The response to a request for an event stream, which must end. */
async function ask (origin: string, { bearer = token(), headers = {} }: { bearer?: string, headers?: Record<string, string> } = {}) {
  const response = await fetch(`${origin}/admin/events?token=${bearer}`, { headers })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

t.test('a refusal that passes by itself is a stream that ends: an EventSource reconnects later', async (t) => {
  const isRefused = async (origin: string, code: string, leastMs: number) => {
    const { status, headers, text } = await ask(origin)
    t.equal(status, 200, code)
    t.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
    const [, retry, found] = /^event: goodbye\nretry: (\d+)\ndata: (\w+)\n\n$/.exec(text) ?? []
    t.equal(found, code)
    t.ok(Number(retry) >= leastMs && Number(retry) <= 2 * leastMs, `${code}: ${retry} ms`)
  }
  await t.test('of a full service', async (t) => {
    const { origin, url } = await listen(t, { websocket: { maxClients: 1 }, sse: { retry: '3s' } })
    await connect(t, url, { user: 'bob' })
    await isRefused(origin, 'HUB_FULL', 6000)
    // httpx-sse takes the id of each event for the position of the client.
    const { text } = await ask(origin, { headers: { 'last-event-id': '1763000000000001' } })
    t.match(text, /^event: goodbye\nretry: \d+\nid: 1763000000000001\ndata: HUB_FULL\n\n$/)
  })
  await t.test('of a user with too many connections', async (t) => {
    const { origin, url } = await listen(t, { websocket: { maxClientsPerUser: 1 } })
    await connect(t, url, { user: 'alice' })
    await isRefused(origin, 'HUB_USER_FULL', 5000)
  })
  await t.test('of too many new connections', async (t) => {
    const { origin, url } = await listen(t, { websocket: { upgradesPerSecond: 1 } })
    await connect(t, url, { user: 'bob' })
    await isRefused(origin, 'HUB_TOO_MANY_UPGRADES', 4000)
  })
  await t.test('of a service that stops', async (t) => {
    const { app, origin, url } = await listen(t, { websocket: { drain: { grace: '3s' } } })
    const frozen = await connect(t, url, { user: 'bob' })
    frozen.socket.pause()
    const closing = app.close()
    await until(() => app.hub.state !== 'ready')
    await isRefused(origin, 'HUB_DRAINING', 5000)
    frozen.socket.terminate()
    await closing
  })
  await t.test('what a client must mend itself is an HTTP error', async (t) => {
    const { origin } = await listen(t)
    t.equal((await ask(origin, { bearer: '' })).status, 401)
    t.equal((await ask(origin, { bearer: token({ ttlSeconds: -1 }) })).status, 401)
    t.equal((await ask(origin, { headers: { origin: 'https://evil.example' } })).status, 403)
  })
})

t.test('a page of a listed origin can read the stream, its refusals, and a preflight', async (t) => {
  const { origin } = await listen(t, { websocket: { allowedOrigins: [LISTED] } })
  const allowed = { 'access-control-allow-origin': LISTED, 'access-control-allow-credentials': 'true', vary: 'origin' }
  const preflight = await fetch(`${origin}/admin/events`, {
    method: 'OPTIONS', headers: { origin: LISTED, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' }
  })
  t.equal(preflight.status, 204)
  t.match(Object.fromEntries(preflight.headers), {
    ...allowed, 'access-control-allow-methods': 'GET', 'access-control-allow-headers': 'authorization, last-event-id, cache-control'
  })
  const refused = await ask(origin, { bearer: 'x', headers: { origin: LISTED } })
  t.equal(refused.status, 401)
  t.match(Object.fromEntries(refused.headers), allowed)
  const stream = await fetch(`${origin}/admin/events?token=${token()}`, { headers: { origin: LISTED } })
  t.match(Object.fromEntries(stream.headers), { ...allowed, 'cache-control': 'no-store, no-transform' })
  await stream.body?.cancel()

  const foreign = await fetch(`${origin}/admin/events`, { method: 'OPTIONS', headers: { origin: 'https://evil.example' } })
  t.equal(foreign.status, 403)
  t.equal(foreign.headers.get('access-control-allow-origin'), null)
  t.equal(foreign.headers.get('vary'), 'origin')
})

t.test('with all origins allowed, no page may send cookies', async (t) => {
  const { origin } = await listen(t, { websocket: { allowedOrigins: ['*'] } })
  const { headers } = await ask(origin, { bearer: 'x', headers: { origin: LISTED } })
  t.equal(headers.get('access-control-allow-origin'), LISTED)
  t.equal(headers.get('access-control-allow-credentials'), null)
})

t.test('headers that hooks of the application have set arrive, and its CORS headers win', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ 'x-request-id': '7', vary: 'accept-encoding', 'access-control-allow-origin': 'https://other.example', 'cache-control': 'public' })
  })
  await app.register(fastifyHub, { auth: { secret: SECRET }, ...IN_MEMORY, websocket: { allowedOrigins: [LISTED] } })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const stream = await fetch(`${origin}/admin/events?token=${token()}`, { headers: { origin: LISTED } })
  t.match(Object.fromEntries(stream.headers), {
    'x-request-id': '7', vary: 'accept-encoding, origin', 'access-control-allow-origin': 'https://other.example', 'cache-control': 'no-store, no-transform'
  })
  await stream.body?.cancel()
})

/** An EventSource: reconnects after the end of a stream and after a network error, and never after an HTTP error. */
class Source {
  state: 'connecting' | 'open' | 'closed for good' = 'connecting'
  #retryMs = 100
  #request: ReturnType<typeof request> | undefined
  readonly #url: string
  #isDone = false

  constructor (url: string) {
    this.#url = url
    this.#connect()
  }

  close (): void {
    this.#isDone = true
    this.#request?.destroy()
  }

  #connect (): void {
    if (this.#isDone) return
    this.#request = request(this.#url, { agent: false }, (response) => this.#read(response))
    this.#request.on('error', () => this.#again())
    this.#request.end()
  }

  #read (response: IncomingMessage): void {
    const isStream = response.statusCode === 200 && response.headers['content-type']?.startsWith('text/event-stream') === true
    this.state = isStream ? 'open' : 'closed for good'
    response.on('data', (chunk: Buffer) => { this.#retryMs = Number(/^retry: (\d+)$/m.exec(String(chunk))?.[1] ?? this.#retryMs) })
    response.on('error', () => {})
    response.on('close', () => this.#again())
  }

  #again (): void {
    if (this.state === 'closed for good') return
    this.state = 'connecting'
    setTimeout(() => this.#connect(), this.#retryMs)
  }
}

t.test('after a restart, all of 1000 event sources are back, and the drain sends away no faster than they may return', async (t) => {
  t.setTimeout(60_000)
  const settings = { sse: { retry: '1s' }, websocket: { upgradesPerSecond: 500, maxClientsPerUser: 0 } } as const
  const first = await listen(t, { ...settings, websocket: { ...settings.websocket, upgradesPerSecond: 0 } })
  const sources = Array.from({ length: 1000 }, () => new Source(`${first.origin}/admin/events?token=${token()}`))
  t.teardown(() => { for (const source of sources) source.close() })
  await until(() => first.app.hub.size === 1000, 'all clients', 30_000)
  await first.app.close()
  const { app } = await build(t, settings)
  await app.listen({ port: first.port, host: '127.0.0.1' })
  await until(() => app.hub.size === 1000, 'all clients again', 30_000)
  await until(() => sources.every(({ state }) => state === 'open'), 'the responses')
  t.pass('all sources are open')
})

t.test("a browser's EventSource that was refused by a full service is connected when there is room", { skip: browserMissing() }, async (t) => {
  const { app, origin, url } = await listen(t, { websocket: { maxClients: 1 }, sse: { retry: '50ms' } })
  const bob = await connect(t, url, { user: 'bob' })
  const { page } = await openPage(t, `${origin}/favicon.svg`)
  await page.evaluate(`window.ended = 0; window.source = new EventSource('/admin/events?token=${token()}'); source.onerror = () => ended++`)
  await until(async () => await page.evaluate<number>('ended') > 0, 'the refusal')
  t.not(await page.evaluate('source.readyState'), 2, 'not closed for good')
  bob.socket.terminate()
  await until(() => app.hub.size === 0)
  await until(async () => await page.evaluate('source.readyState') === 1 && app.hub.size === 1, 'the connection', 30_000)
})

t.test('an injected request, HTTP/2 and a Unix socket carry event streams', async (t) => {
  await t.test('inject', async (t) => {
    const { app } = await build(t)
    const response = await app.inject({ url: `/admin/events?token=${token()}`, payloadAsStream: true })
    t.equal(response.statusCode, 200)
    const [chunk] = await once(response.stream(), 'data') as [Buffer]
    t.match(String(chunk), /^retry: \d+\n: connected\n/)
    response.stream().destroy()
  })
  await t.test('HTTP/2', async (t) => {
    const app = Fastify({ http2: true, http2SessionTimeout: 1000 })
    await app.register(fastifyHub, { auth: { secret: SECRET }, ...IN_MEMORY })
    t.teardown(() => app.close())
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    const session = connectHttp2(origin)
    t.teardown(() => session.destroy())
    const stream = session.request({ ':path': `/admin/events?token=${token()}` })
    const [headers] = await once(stream, 'response') as [Record<string, unknown>]
    t.match(headers, { ':status': 200, 'content-type': 'text/event-stream; charset=utf-8' })
    let text = ''
    stream.on('data', (chunk: Buffer) => { text += chunk.toString() })
    await app.hub.broadcast('over HTTP/2')
    await until(() => text.includes('data: over HTTP/2'))
    await until(() => session.closed, 'the end of the idle session: its timeout is untouched')
  })
  await t.test('HTTP/2: a restart cuts the stream, a farewell ends it', async (t) => {
    const app = Fastify({ http2: true, pluginTimeout: 0 })
    await app.register(fastifyHub, { auth: { secret: SECRET }, ...IN_MEMORY })
    t.teardown(() => app.close())
    const session = connectHttp2(await app.listen({ port: 0, host: '127.0.0.1' }))
    t.teardown(() => session.destroy())
    session.on('error', () => {})
    for (const [code, rstCode] of [[1012, 8], [4000, 0]] as const) {
      const stream = session.request({ ':path': `/admin/events?token=${token()}` })
      let text = ''
      stream.on('data', (chunk: Buffer) => { text += chunk.toString() })
      stream.on('error', () => {})
      await until(() => app.hub.size === 1)
      await app.hub.disconnect({ user: 'alice' }, { code })
      await until(() => stream.closed)
      t.equal(stream.rstCode, rstCode, `${code}`)
      t.match(text, /event: goodbye/)
    }
  })
  await t.test('HTTP/2, which does not keep the application from closing', async (t) => {
    const app = Fastify({ http2: true, pluginTimeout: 0 })
    await app.register(fastifyHub, { auth: { secret: SECRET }, ...IN_MEMORY, websocket: { drain: { grace: '500ms' } } })
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    const sessions = [connectHttp2(origin), connectHttp2(origin)]
    for (const session of sessions) session.on('error', () => {})
    const stream = sessions[0]?.request({ ':path': `/admin/events?token=${token()}` })
    stream?.on('error', () => {})
    let text = ''
    stream?.on('data', (chunk: Buffer) => { text += chunk.toString() })
    await until(() => text.includes(': connected') && app.hub.size === 1)
    await app.close()
    t.match(text, /event: goodbye\nretry: \d+\ndata: service restart\n\n$/, 'the close notice arrives')
    await until(() => sessions.every((session) => session.destroyed))
  })
  await t.test('a Unix socket', { skip: process.platform === 'win32' }, async (t) => {
    const { app } = await build(t)
    // The path of a socket has at most 107 bytes.
    const folder = mkdtempSync(join(tmpdir(), 'hub-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'hub.sock')
    await app.listen({ path })
    const sent = request({ socketPath: path, path: `/admin/events?token=${token()}`, agent: false })
    t.teardown(() => sent.destroy())
    sent.end()
    const [response] = await once(sent, 'response') as [IncomingMessage]
    t.equal(response.statusCode, 200)
    const [chunk] = await once(response, 'data') as [Buffer]
    t.match(String(chunk), /: connected/)
  })
})

/** Reads a stream to its end. `isComplete`: the response ended in order. */
function readToEnd (origin: string, bearer: string) {
  return new Promise<{ status: number, text: string, isComplete: boolean }>((resolve, reject) => {
    const sent = request(`${origin}/admin/events?token=${bearer}`, { agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => { text += chunk.toString() })
      response.on('error', () => {})
      response.on('close', () => resolve({ status: response.statusCode ?? 0, text, isComplete: response.complete }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

t.test('a restart cuts a stream, and a farewell ends it for good', async (t) => {
  const { app, origin } = await listen(t, { sse: { retry: '100ms' } })
  const [mine, other] = [token(), token({ ttlSeconds: 1800 })]
  const restarted = readToEnd(origin, mine)
  await until(() => app.hub.size === 1)
  await app.hub.disconnect({ user: 'alice' }, { code: 1012, reason: 'service restart' })
  t.match(await restarted, { isComplete: false, text: /event: goodbye\nretry: \d+\ndata: service restart\n\n$/ })

  const sentAway = readToEnd(origin, mine)
  await until(() => app.hub.size === 1)
  await app.hub.disconnect({ user: 'alice' })
  t.match(await sentAway, { isComplete: true, text: /event: goodbye\nretry: \d+\ndata: disconnected\n\n$/ })
  t.same(await readToEnd(origin, mine), { status: 204, text: '', isComplete: true }, 'an EventSource stops')
  const again = readToEnd(origin, other)
  await until(() => app.hub.size === 1, 'another token of the user')
  await app.hub.disconnect({ user: 'alice' }, { code: 1012 })
  await again
  const status = async () => {
    const { status } = await fetch(`${origin}/admin/events?token=${mine}`, { signal: AbortSignal.timeout(2000) })
    return status
  }
  await until(async () => await status() === 200, 'the farewell is forgotten')
})

t.test('a client whose stream was refused receives its inbox later', async (t) => {
  const { app, origin, url } = await listen(t, { websocket: { maxClients: 1 } })
  const bob = await connect(t, url, { user: 'bob' })
  await app.hub.send({ user: 'alice' }, 'kept')
  t.equal((await ask(origin)).status, 200)
  bob.socket.terminate()
  await until(() => app.hub.size === 0)
  const alice = await openEvents(t, origin, { user: 'alice' })
  await until(() => alice.data.length === 1)
  t.same(alice.data, ['kept'])
})
