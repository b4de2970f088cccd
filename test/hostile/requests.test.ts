// Requests that try to get past the token check or to break the reading of requests, at every route of the service. Takes
// over 10 s on a busy machine. FUZZ_RUNS=5000 for a longer run.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as dial } from 'node:net'
import fc from 'fast-check'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { fastifyHub } from '../../index.ts'
import { packagePath } from '../../services/cli/package.ts'
import { connect, ECHO, IN_MEMORY, listen, SECRET, token, until } from '../support/helper.ts'
import { handshake, rawRequest } from '../support/raw-client.ts'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 150)
t.setTimeout(60_000 + 100 * RUNS)

/** Endpoints of older services, each with a token check. The service has its own WebSocket endpoint at `/admin/ws`. */
const COMPAT = { ginServer: 'token', learnGin: 'token', pushMessage: 'token' } as const
const COMPAT_ROUTES = [
  ['GET', '/ws'], ['GET', '/echo'], ['GET', '/sendall'], ['POST', '/sendall'], ['GET', '/client/a'], ['GET', '/getPushNews'],
  ['POST', '/message'], ['POST', '/message/a'], ['DELETE', '/client/a'], ['DELETE', '/deleteClient/a']
] as const
/** The routes of docs/http-api.md, which another test compares with those of the service. */
const DOCUMENTED = [...readFileSync(packagePath('docs', 'http-api.md'), 'utf8').matchAll(/^## ([A-Z]+) (\/\S*)$/gm)]
  .map(([, method = '', path = '']) => [method, path.replace(/:\w+/g, 'a')] as const)
const PROTECTED = [...DOCUMENTED, ...COMPAT_ROUTES].filter(([, path]) => !['/healthz', '/readyz'].includes(path))
const POSTS = PROTECTED.filter(([method]) => method === 'POST')

/** A body that no route of the API accepts. */
const INVALID = '{"message":"x","excpet":[]}'

const NOTATIONS: Record<string, (path: string) => string> = {
  'as it is': (path) => path,
  'two slashes': (path) => `/${path}`,
  'an encoded letter': (path) => `/%${path.charCodeAt(1).toString(16)}${path.slice(2)}`,
  'an encoded slash': (path) => `/${path.slice(1).replace('/', '%2f')}%2f`,
  'an encoded backslash': (path) => path.replace(/(?!^)\//, '%5c'),
  'a parameter of the path': (path) => `${path};x=1`,
  capitals: (path) => path.toUpperCase(),
  'a dot': (path) => `/.${path}`,
  'two dots': (path) => `/healthz/..${path}`,
  'encoded dots': (path) => `/healthz/%2e%2e${path}`,
  'a slash at the end': (path) => `${path}/`,
  'a NUL': (path) => `${path}%00`,
  'a space': (path) => `${path}%20`,
  'a file of the console in front': (path) => `/console.js/..${path}`,
  'a query that looks like a path': (path) => `/healthz?${path}`,
  'a fragment': (path) => `${path}#/healthz`,
  'an absolute form': (path) => `http://127.0.0.1${path}`,
  'an absolute form of another host': (path) => `http://evil.example${path}`,
  'an invalid letter': (path) => `${path}%ff`
}

interface RequestParts { method: string, path: string, headers?: Record<string, string>, body?: string }

/** A request as it goes over the connection, which ends with the response. */
function plain ({ method, path, headers = {}, body }: RequestParts): string {
  const all = { Host: '127.0.0.1', Connection: 'close', ...headers, ...(body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }) }
  return `${method} ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body ?? ''}`
}

const statusOf = (response: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1] ?? 0)
const bearer = (roles: string[]) => ({ Authorization: `Bearer ${token({ user: 'eve', roles })}` })
/** Whether a response serves a request of a client without rights. */
const isServed = (response: string): boolean => /^HTTP\/1\.1 (101|2\d\d|5\d\d) /.test(response) && !response.includes('{"status":')

/** A service with every endpoint, and a client that receives every broadcast. */
async function serve (t: Test) {
  const service = await listen(t, { auth: { failuresPerSecond: 0 }, compat: COMPAT, websocket: { upgradesPerSecond: 0, messagesPerSecond: 0 } })
  const client = await connect(t, service.url)
  /** Asserts that the client has received nothing, and that the service still replies. */
  const isUnharmed = async (t: Test): Promise<void> => {
    t.same(await client.quiet(), [], 'nothing was published')
    client.send('alive')
    t.equal(await client.next(), `${ECHO}alive`)
    await until(() => service.app.hub.size === 1, 'no other client')
  }
  return { ...service, isUnharmed }
}

t.test('no notation of a path gets past the token check, as a request or as an upgrade', async (t) => {
  const { port, isUnharmed } = await serve(t)
  const served: string[] = []
  let unauthorized = 0
  const attempts: Array<Promise<void>> = []
  const attempt = (title: string, request: string) => rawRequest(port, request).then((response) => {
    if (isServed(response)) served.push(`${title}: ${response.split('\r\n', 1).join('')}`)
    if (statusOf(response) === 401) unauthorized++
  })
  for (const [method, path] of PROTECTED) {
    for (const [title, write] of Object.entries(NOTATIONS)) {
      const written = write(path)
      const headers = { 'Content-Type': 'application/json' }
      const body = method === 'POST' ? { body: '{"message":"from nobody"}' } : {}
      attempts.push(attempt(`${method} ${path}, ${title}`, plain({ method, path: written, headers, ...body })))
      attempts.push(attempt(`upgrade to ${path}, ${title}`, handshake({ path: written })))
    }
    await Promise.all(attempts.splice(0))
  }
  t.same(served, [])
  t.ok(PROTECTED.length >= 29, `${PROTECTED.length} routes`)
  t.ok(unauthorized > 3 * PROTECTED.length, `${unauthorized} requests reached a token check`)
  await isUnharmed(t)
})

t.test('in an application with a lenient router, every notation that reaches a route meets its token check', async (t) => {
  // The types of Fastify lack useSemicolonDelimiter.
  const routerOptions: object = { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false, useSemicolonDelimiter: true }
  const app = Fastify({ routerOptions })
  t.teardown(() => app.close())
  await app.register(fastifyHub, { ...IN_MEMORY, auth: { secret: SECRET, failuresPerSecond: 0 }, api: true, websocket: { upgradesPerSecond: 0 } })
  const port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
  const served: string[] = []
  const refused = new Set<string>()
  for (const [method, path] of DOCUMENTED.filter(([, path]) => !['/healthz', '/readyz'].includes(path))) {
    await Promise.all(Object.entries(NOTATIONS).map(async ([title, write]) => {
      for (const request of [plain({ method, path: write(path) }), handshake({ path: write(path) })]) {
        const response = await rawRequest(port, request)
        if (isServed(response)) served.push(`${method} ${path}, ${title}: ${response.split('\r\n', 1).join('')}`)
        if (statusOf(response) === 401) refused.add(title)
      }
    }))
  }
  t.same(served, [])
  t.same(['two slashes', 'a parameter of the path', 'capitals', 'a slash at the end'].filter((title) => !refused.has(title)), [], 'these notations reach the routes')
  t.equal(app.hub.size, 0)
})

t.test('no notation of a path gets past the role check', async (t) => {
  const { port, isUnharmed } = await serve(t)
  const served: string[] = []
  const needRole = PROTECTED.filter(([, path]) => !['/admin/ws', '/admin/events', '/ws', '/echo', '/client/a', '/getPushNews'].includes(path))
  for (const [method, path] of needRole) {
    await Promise.all(Object.entries(NOTATIONS).map(async ([title, write]) => {
      const headers = { 'Content-Type': 'application/json', ...bearer(['user']) }
      const response = await rawRequest(port, plain({ method, path: write(path), headers, ...(method === 'POST' ? { body: '{"message":"from eve"}' } : {}) }))
      if (isServed(response)) served.push(`${method} ${path}, ${title}: ${response.split('\r\n', 1).join('')}`)
    }))
  }
  t.same(served, [])
  await isUnharmed(t)
})

t.test('headers that name another path or method change neither', async (t) => {
  const { port, isUnharmed } = await serve(t)
  const headers = {
    'X-Original-URL': '/broadcast', 'X-Rewrite-URL': '/broadcast', 'X-HTTP-Method-Override': 'POST', 'X-Forwarded-For': '127.0.0.1', 'X-Forwarded-Host': '127.0.0.1',
    'X-Forwarded-Prefix': '/broadcast', 'X-User': 'operator', 'X-Role': 'admin', 'Content-Type': 'application/json'
  }
  t.match(await rawRequest(port, plain({ method: 'GET', path: '/healthz', headers })), /^HTTP\/1\.1 200 [^]*"ok"/)
  t.match(await rawRequest(port, plain({ method: 'POST', path: '/broadcast', headers, body: '{"message":"x"}' })), /^HTTP\/1\.1 401 /)
  t.match(await rawRequest(port, handshake({ headers })), /^HTTP\/1\.1 401 /)
  await isUnharmed(t)
})

t.test('a body of another content type publishes nothing, on any route of the API', async (t) => {
  const { port, isUnharmed } = await serve(t)
  const types = [
    'application/json\ta', 'application/json a', 'application/json, text/plain', 'application/jsonx', 'application/x-json', 'application/json\u00a0',
    'application/json/x', 'application//json', '/json', 'application', 'text/plain', 'text/html', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/json+x', '*/*', '"application/json"', '__proto__'
  ]
  const published: string[] = []
  for (const [method, path] of POSTS.filter(([, path]) => path.endsWith('/messages') || path === '/broadcast')) {
    await Promise.all(types.map(async (type) => {
      const headers = { ...bearer(['admin']), 'Content-Type': type }
      for (const body of ['{"message":"x"}', INVALID]) {
        const status = statusOf(await rawRequest(port, plain({ method, path, headers, body })))
        if (![400, 415].includes(status)) published.push(`${path} ${JSON.stringify(type)}: ${status}`)
      }
    }))
  }
  t.same(published, [])
  await isUnharmed(t)
})

t.test('however the type of JSON is written, the body is checked by the schema of the route', async (t) => {
  const { port, isUnharmed } = await serve(t)
  for (const type of ['application/json', 'APPLICATION/JSON', ' application/json ', 'application/json; charset=utf-8', 'application/json;junk', 'application/json;;junk', 'application/json ; x="y']) {
    for (const [body, expected] of [['{"message":"x"}', 202], [INVALID, 400], ['{"message":"x","__proto__":{"a":1}}', 400], [String.raw`{"message":"x","\u005f_proto\u005f_":{"a":1}}`, 400], ['{"message":{"__proto__":{"a":1}}}', 400]] as const) {
      const request = plain({ method: 'POST', path: '/users/nobody/messages', headers: { ...bearer(['admin']), 'Content-Type': type }, body })
      t.equal(statusOf(await rawRequest(port, request)), expected, `${type}: ${body}`)
    }
  }
  await isUnharmed(t)
})

t.test('an empty, cut or invalid body is refused on every route with a body, and the service replies on', async (t) => {
  const { port, isUnharmed } = await serve(t)
  const head = (path: string, more: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${bearer(['admin']).Authorization}\r\n${more}\r\n`
  const bodies: Record<string, (path: string) => string> = {
    'no body and no type': (path) => head(path, ''),
    'an empty body': (path) => head(path, 'Content-Length: 0\r\nContent-Type: application/json\r\n'),
    'an empty body in chunks': (path) => `${head(path, 'Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n')}0\r\n\r\n`,
    'junk for chunks': (path) => `${head(path, 'Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n')}zz\r\njunk\r\n`,
    'a chunk of a negative size': (path) => `${head(path, 'Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n')}-1\r\n\r\n`,
    'two lengths': (path) => `${head(path, 'Content-Length: 2\r\nContent-Length: 3\r\nContent-Type: application/json\r\n')}{}x`,
    'a length and chunks': (path) => `${head(path, 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n')}0\r\n\r\n`,
    'a negative length': (path) => head(path, 'Content-Length: -1\r\nContent-Type: application/json\r\n'),
    'a length that is too large': (path) => head(path, 'Content-Length: 99999999999999999999\r\nContent-Type: application/json\r\n'),
    'bytes that are no UTF-8': (path) => `${head(path, 'Content-Length: 1\r\nContent-Type: application/json\r\n')}\u00ff`,
    'a BOM alone': (path) => `${head(path, 'Content-Length: 3\r\nContent-Type: application/json\r\n')}\u00ef\u00bb\u00bf`,
    'deep nesting': (path) => `${head(path, 'Content-Length: 40000\r\nContent-Type: application/json\r\n')}${'['.repeat(20_000)}${']'.repeat(20_000)}`
  }
  const others: string[] = []
  // These endpoints of older services take any text, an empty one too.
  const strict = POSTS.filter(([, path]) => path !== '/sendall')
  for (const [, path] of strict) {
    await Promise.all(Object.entries(bodies).map(async ([title, write]) => {
      const response = await rawRequest(port, Buffer.from(write(path), 'latin1'))
      if (!/^HTTP\/1\.1 4\d\d /.test(response)) others.push(`${path}, ${title}: ${response.split('\r\n', 1).join('')}`)
    }))
  }
  t.same(others, [])
  await isUnharmed(t)
})

/** Writes bytes and a FIN, and resolves with the bytes that arrive until the server ends the connection. */
async function lastRequest (port: number, bytes: Buffer): Promise<string> {
  const socket = dial({ port, host: '127.0.0.1', allowHalfOpen: true })
  const chunks: Buffer[] = []
  socket.on('error', () => {}) // A reset by the server is a valid response.
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.end(bytes)
  await once(socket, 'close', { signal: AbortSignal.timeout(5000) })
  return Buffer.concat(chunks).toString('latin1')
}

/** A valid request whose bytes are then changed. */
const seeds = fc.constantFrom(
  handshake({ path: '/admin/ws' }), handshake({ token: 'x' }), handshake({ path: '/clients' }), handshake({ path: '/echo' }),
  plain({ method: 'GET', path: '/admin/events', headers: { 'Last-Event-ID': '5' } }), plain({ method: 'GET', path: '/clients?limit=5&after=x' }), plain({ method: 'GET', path: '/console.js' }),
  plain({ method: 'OPTIONS', path: '/admin/events', headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'GET' } }),
  ...POSTS.map(([method, path]) => plain({ method, path, headers: { 'Content-Type': 'application/json' }, body: '{"message":"x"}' }))
)
const junk = fc.oneof(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom('\r\n', '\r\n\r\n', '\n', '\0', '%', '%zz', '../', ' HTTP/1.1', ': ', 'Upgrade: websocket\r\n', 'Connection: upgrade\r\n', 'Transfer-Encoding: chunked\r\n', 'Content-Length: 9\r\n', 'Sec-WebSocket-Key: x\r\n', '__proto__: 1\r\n', '\x81\x85junk')
    .map((text) => Buffer.from(text, 'latin1'))
)
const edits = fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), removed: fc.nat(8), inserted: junk }), { minLength: 1, maxLength: 4 })

/** What a response must not contain: names of files, and lines of a stack. */
const INTERNALS = /node_modules|\.[jt]s:\d|\n\s+at /

/** The bytes of a text after some changes. */
function edited (seed: string, changes: ReadonlyArray<{ at: number, removed: number, inserted: Buffer }>): Buffer {
  return changes.reduce((bytes, { at, removed, inserted }) => {
    const from = Math.floor(at * bytes.length)
    return Buffer.concat([bytes.subarray(0, from), inserted, bytes.subarray(from + removed)])
  }, Buffer.from(seed, 'latin1'))
}

t.test('a request with changed bytes harms nobody: it gets a response without an internal error, or its connection ends', async (t) => {
  const { app, port, isUnharmed } = await serve(t)
  await fc.assert(fc.asyncProperty(seeds, edits, async (seed, changes) => {
    const response = await lastRequest(port, edited(seed, changes))
    if (INTERNALS.test(response)) throw new Error(`reveals: ${response.slice(0, 500)}`)
    if (isServed(response) && !/^HTTP\/1\.1 20[04] /.test(response)) throw new Error(`served: ${response.slice(0, 200)}`)
  }), { numRuns: RUNS })
  await isUnharmed(t)
  t.equal(app.websocketServer.clients.size, 0)
})

/** Requests of an operator, with values that are changed. */
const values = fc.oneof(fc.json({ maxDepth: 3 }), fc.string(), fc.constantFrom('', '0', '-1', '1e999', '%00', '%zz', 'null', '[]', '__proto__', 'x'.repeat(300), '%F0%9F%98%80', '%ED%A0%80', '9'.repeat(17), '*', '../..'))
const encoded = values.map((value) => /^[\w%.*-]*$/.test(value) ? value : encodeURIComponent(value.toWellFormed()))
const operatorRequests = fc.record({ route: fc.constantFrom(...PROTECTED.filter(([, path]) => path !== '/admin/events')), segment: encoded, query: fc.dictionary(fc.constantFrom('limit', 'after', 'user', 'group', 'code', 'reason', 'token', 'device', 'x', '__proto__'), encoded, { maxKeys: 3 }), body: fc.option(values, { nil: undefined }) })
  .map(({ route: [method, path], segment, query, body }) => {
    const changed = path.replace(/\/a(?=\/|$)/, () => `/${segment}`)
    const search = Object.entries(query).map(([name, value]) => `${name}=${value}`).join('&')
    return { method, path: search === '' ? changed : `${changed}?${search}`, ...(body === undefined ? {} : { body, headers: { 'Content-Type': 'application/json' } }) }
  })

t.test('no value in a path, a query or a body of an operator causes an internal error', async (t) => {
  const { app, port, url, log } = await serve(t)
  await fc.assert(fc.asyncProperty(operatorRequests, async ({ headers, ...request }) => {
    const response = await rawRequest(port, plain({ ...request, headers: { ...headers, ...bearer(['admin']) } }))
    if (statusOf(response) >= 500 || statusOf(response) === 0 || INTERNALS.test(response)) throw new Error(`${request.method} ${request.path}: ${response.slice(0, 500)}`)
  }), { numRuns: RUNS })
  const client = await connect(t, url)
  client.send('alive')
  t.equal(await client.next(), `${ECHO}alive`)
  t.same(log.lines.filter(({ level }) => Number(level) >= 50).map(({ msg }) => msg), [])
  t.equal(app.hub.state, 'ready')
})
