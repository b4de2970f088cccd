// What clients can write into the log: no token, no forged line, no control characters.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { packagePath } from '../../services/cli/package.ts'
import { listen, token, until } from '../support/helper.ts'
import { connectJson, PLAIN } from '../support/json-client.ts'
import { frame, handshake, OPCODE, rawConnect, rawRequest } from '../support/raw-client.ts'

const EVERYTHING = { auth: { failuresPerSecond: 0 }, logger: { level: 'trace', requests: true }, compat: { ginServer: 'token', learnGin: 'token', pushMessage: 'token' }, websocket: { upgradesPerSecond: 0, maxClientsPerUser: 0 } } as const
const DOCUMENTED = [...readFileSync(packagePath('docs', 'http-api.md'), 'utf8').matchAll(/^## ([A-Z]+) (\/\S*)$/gm)]
  .map(([, method = '', path = '']) => [method, path.replace(/:\w+/g, 'a')] as const)
const ROUTES = [...DOCUMENTED, ['GET', '/ws'], ['GET', '/echo'], ['POST', '/sendall'], ['GET', '/client/alice'], ['POST', '/message'], ['DELETE', '/client/a'], ['GET', '/nowhere'], ['GET', '/%zz'], ['GET', '/'], ['POST', '/'], ['GET', '/console.js'], ['PROPFIND', '/x']] as const

const UPGRADES: readonly string[] = ['/admin/ws', '/ws', '/echo', '/client/alice', '/clients', '/nowhere', '/%zz']

t.test('no token reaches the log or a response, from any route, wherever the token is', async (t) => {
  const { app, port, log } = await listen(t, EVERYTHING)
  const valid = token({ user: 'alice', roles: ['admin'], ttlSeconds: 3600 })
  const secrets = [valid, valid.split('.')[2] ?? '', 'an-invalid-token-0123456789']
  const responses: string[] = []
  for (const [method, path] of ROUTES) {
    for (const secret of [valid, 'an-invalid-token-0123456789']) {
      const places: ReadonlyArray<readonly [query: string, headers: Record<string, string>]> = [
        [`?token=${secret}`, {}], [`?access_token=${secret}`, {}], [`?%74oken=${secret}`, {}], [`?x=1;token=${secret}`, {}], [`#${secret}`, {}],
        ['', { Authorization: `Bearer ${secret}` }], ['', { Authorization: `bearer  ${secret}` }], ['', { 'Sec-WebSocket-Protocol': `hub.raw, bearer.${secret}` }], ['', { 'Sec-WebSocket-Protocol': `bearer.${secret}` }],
        ['', { Referer: `http://127.0.0.1/?token=${secret}` }], ['', { Cookie: `token=${secret}` }], ['', { Origin: `http://${secret}.example` }]
      ]
      await Promise.all(places.filter((_, n) => secret === valid || n % 5 === 0).map(async ([query, headers]) => {
        const client = { Host: '127.0.0.1', Connection: 'close', ...headers, 'Content-Length': '0' }
        const plain = `${method} ${path}${query} HTTP/1.1\r\n${Object.entries(client).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
        // An accepted event stream has no end.
        if (path !== '/admin/events') responses.push(await rawRequest(port, plain))
        if (UPGRADES.includes(path)) responses.push(await rawRequest(port, handshake({ path: `${path}${query}`, headers })))
      }))
    }
  }
  for (const bytes of [`GET /?token=${valid} HTTP/9.9\r\n\r\n`, `\0token=${valid}\r\n\r\n`, `GET /clients?token=${valid} HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`, `GET /clients HTTP/1.1\r\nAuthorization: Bearer ${valid}\r\n\r\n`, `GET /clients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${valid}\r\nContent-Length: x\r\n\r\n`]) {
    responses.push(await rawRequest(port, bytes))
  }
  await until(() => app.hub.size === 0, 'the end of all clients')
  t.ok(log.lines.length > 300 && responses.length > 300, 'there is much to look at')
  t.same(log.lines.filter((line) => secrets.some((secret) => JSON.stringify(line).includes(secret))).map(({ msg, req, reason }) => [msg, req, reason]), [], 'not in the log')
  // The response to an offer of subprotocols must not select the one with the token.
  t.same(responses.filter((response) => secrets.some((secret) => response.includes(secret))), [], 'not in a response')
})

t.test('no text of a client forges a line of the log or sends a control character to a terminal', async (t) => {
  const { app, port, url, log } = await listen(t, EVERYTHING)
  const forged = 'x\n{"level":50,"msg":"forged"}\r\n\u001b[2J\u001b]0;title\u0007\u0085\u2028\u009b31m\u0000'
  const bob = await connectJson(t, url, { user: forged, subprotocol: PLAIN, roles: ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup', forged], groups: [forged] })
  bob.sendJson({ type: 'joinGroup', group: forged, ackId: 1 })
  bob.sendJson({ type: 'event', event: forged, data: forged, ackId: 2 })
  t.match(await bob.nextJson(), { ackId: 1 })
  await app.hub.disconnect({ user: forged }, { reason: 'x\n\u001b[31m' })
  const raw = await rawConnect({ port, token: token({ user: forged }) })
  t.teardown(() => raw.destroy())
  raw.send(frame({ opcode: OPCODE.close, payload: Buffer.concat([Buffer.of(0x0f, 0xa0), Buffer.from('bye\n\u001b[31m')]) }))
  await raw.closed()
  for (const path of ['/x%0a%1b[31m', '/users/%0a%1b/inbox', '/clients?user=%0a%1b', '/admin/ws?name=%0a%1b', '/\u009b31m']) await rawRequest(port, Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: \u009b31m\r\nAuthorization: Bearer ${token({ roles: ['admin'] })}\r\n\r\n`, 'latin1'))
  await until(() => app.hub.size === 0)
  await until(() => log.lines.filter(({ msg }) => msg === 'client disconnected').length >= 2, 'the lines of the ends')
  t.ok(log.lines.some(({ user }) => user === forged), 'the log has the name')
  t.same(log.lines.filter(({ msg }) => msg === 'forged'), [])
  const controls = log.text.split('\n').flatMap((line) => [...line].filter((character) => /[\0-\x1f\x7f-\x9f]/.test(character)))
  t.same([...new Set(controls)].map((character) => character.codePointAt(0)?.toString(16)), [], 'control characters are escaped')
})
