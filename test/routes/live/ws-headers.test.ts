// Handshakes whose refusal would come from the libraries below, and requests that no route takes.
import t from 'tap'
import { GREETING, listen, token } from '../../support/helper.ts'
import { handshake, rawConnect, rawRequest } from '../../support/raw-client.ts'

/** The JSON body of a response, with its status and its headers. */
function parse (answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const [line = '', ...headers] = head.split('\r\n')
  return { status: Number(line.split(' ')[1]), headers: headers.map((one) => one.toLowerCase()), body: JSON.parse(body) as Record<string, unknown> }
}

t.test('offers of extensions that cannot be met are declined', async (t) => {
  const { port, token } = await listen(t, { websocket: { compression: { enabled: true } } })
  const answer = (offer: string | string[]) => rawRequest(port, handshake({ token, headers: { 'Sec-WebSocket-Extensions': offer } }))
  const declined = ['permessage-deflate; server_max_window_bits=7', 'permessage-deflate; server_max_window_bits', 'permessage-deflate; unknown', 'permessage-deflate; client_max_window_bits=16', 'permessage-deflate; server_no_context_takeover=1',
    'permessage-deflate; client_no_context_takeover; client_no_context_takeover', 'permessage-bzip2', 'x-webkit-deflate-frame', ';', ',', '=', '"', 'permessage-deflate; server_max_window_bits="', 'a'.repeat(4000), ';,'.repeat(2000)]
  for (const offer of declined) {
    const response = await answer(offer)
    t.match(response, /^HTTP\/1\.1 101 /, offer.slice(0, 60))
    t.notMatch(response, /sec-websocket-extensions/i, offer.slice(0, 60))
  }
  for (const offer of ['permessage-deflate', ',permessage-deflate,', 'permessage-deflate; unknown, permessage-deflate; client_max_window_bits', 'permessage-deflate;server_max_window_bits="10";client_max_window_bits=15', ['permessage-bzip2', 'permessage-deflate']]) {
    t.match(await answer(offer), /^HTTP\/1\.1 101 [^]*sec-websocket-extensions: permessage-deflate/i, String(offer))
  }
})

t.test('an unknown subprotocol alone is refused with the list of those that exist, and empty elements are taken', async (t) => {
  const { port, token } = await listen(t, { compat: { learnGin: 'token' } })
  const answer = (offer: string | string[], path?: string) => rawRequest(port, handshake({ token, ...(path === undefined ? {} : { path }), headers: { 'Sec-WebSocket-Protocol': offer } }))
  t.match(parse(await answer('chat, mqtt')), {
    status: 400, body: { code: 'HUB_HANDSHAKE_INVALID', message: /json\.reliable\.webpubsub\.azure\.v1, .*json\.hub\.v1, hub\.raw; or none/ }
  })
  for (const offer of [', hub.raw,', 'hub.raw, ,chat', ['', 'hub.raw'], '\thub.raw']) {
    t.match(await answer(offer), /^HTTP\/1\.1 101 [^]*sec-websocket-protocol: hub\.raw\r\n/i, JSON.stringify(offer))
  }
  for (const offer of ['', ',', ' , ']) t.match(await answer(offer), /^HTTP\/1\.1 101 /, 'no subprotocol')
  t.match(await answer('chat', '/echo'), /^HTTP\/1\.1 101 /, 'clients of older services offer what they like')
  const client = await rawConnect({ port, token, headers: { 'Sec-WebSocket-Protocol': ',hub.raw' } })
  t.teardown(() => client.destroy())
  t.equal((await client.next()).payload.toString(), GREETING)
})

t.test('a method that an address does not have is 405 with the methods that it has', async (t) => {
  const { origin } = await listen(t)
  const cases: Array<[method: string, path: string, allow: string]> = [
    ['GET', '/broadcast', 'POST'], ['DELETE', '/broadcast?token=secret', 'POST'], ['POST', '/admin/ws', 'GET, HEAD'], ['PUT', '/admin/events', 'GET, OPTIONS'], ['POST', '/clients', 'GET, HEAD'],
    ['GET', '/users/bob%2Fx/messages', 'POST'], ['PATCH', '/users/bob/inbox', 'DELETE, GET, HEAD'], ['POST', '/groups/g/clients/c', 'DELETE, PUT'], ['POST', '/healthz', 'GET, HEAD'], ['DELETE', '/', 'GET, HEAD'], ['HEAD', '/broadcast', 'POST']
  ]
  for (const [method, path, allow] of cases) {
    const response = await fetch(origin + path, { method, headers: { authorization: `Bearer ${token({ roles: ['admin'] })}` } })
    t.equal(response.status, 405, `${method} ${path}`)
    t.equal(response.headers.get('allow'), allow, `${method} ${path}`)
    if (method !== 'HEAD') t.match(await response.json(), { statusCode: 405, code: 'HUB_METHOD_NOT_ALLOWED', message: `This address takes ${allow}.` })
  }
  for (const path of ['/nothing', '/broadcast/x', '/users//messages', '/broadcastx']) {
    t.match(await (await fetch(origin + path)).json(), { statusCode: 404, code: 'HUB_NOT_FOUND' }, path)
  }
})

t.test('a handshake without its upgrade names the headers that a proxy left out', async (t) => {
  const { port, token } = await listen(t)
  const proxied = parse(await rawRequest(port, handshake({ token, headers: { Upgrade: null, Connection: 'close' } }), { until: 'end' }))
  t.match(proxied, { status: 426, body: { code: 'HUB_UPGRADE_REQUIRED', message: /"Upgrade" and "Connection".*proxy/ } })
  t.ok(proxied.headers.includes('upgrade: websocket'))
  const plain = parse(await rawRequest(port, handshake({ token, headers: { Upgrade: null, Connection: 'close', 'Sec-WebSocket-Key': null } }), { until: 'end' }))
  t.match(plain, { status: 426, body: { message: 'Connect to this address with a WebSocket client.' } })
})
