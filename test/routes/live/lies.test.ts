import { once } from 'node:events'
import { request } from 'node:http'
import t from 'tap'
import { connect, ECHO, GREETING, listen, token, until } from '../../support/helper.ts'
import { frame, OPCODE, rawConnect } from '../../support/raw-client.ts'
import { PLAIN, RELIABLE, connectJson, type JsonFrame } from '../../support/json-client.ts'

t.test('who acknowledges more than there is has acknowledged what there is, and nothing that comes later', async (t) => {
  const { app, url } = await listen(t)
  await app.hub.send({ user: 'bob' }, 'first')
  const bob = await connectJson(t, url)
  t.match(await bob.nextJson(), { data: 'first' })
  for (const sequenceId of [Number.MAX_SAFE_INTEGER, String(Number.MAX_SAFE_INTEGER)]) {
    bob.sendJson({ type: 'sequenceAck', sequenceId })
  }
  await until(async () => (await app.hub.inbox('bob')).count === 0, 'the acknowledgement')
  await app.hub.send({ user: 'bob' }, 'later')
  t.match(await bob.nextJson(), { data: 'later' })
  t.match(await app.hub.inbox('bob'), { count: 1 })
  await bob.dropConnection(app)
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.match(await resumed.nextJson(), { data: 'later' })
})

t.test('who acknowledges what has not been given to it yet still gets it', async (t) => {
  const { app, port, url } = await listen(t, { websocket: { maxQueueSize: 65_536 } })
  const mute = await rawConnect({ port, token: token({ user: 'bob' }), headers: { 'Sec-WebSocket-Protocol': RELIABLE } })
  t.teardown(() => mute.destroy())
  t.match((await mute.next()).payload.toString(), /"connected"/)
  mute.pause()
  const text = 'x'.repeat(30_000)
  // More than the kernel swallows, so that much of it has been given to nobody.
  for (let n = 0; n < 500; n++) await app.hub.send({ user: 'bob' }, `${n} ${text}`)
  t.match((await app.hub.clients()).clients, [{ behind: true }])
  mute.send(frame({ opcode: OPCODE.text, payload: `{"type":"sequenceAck","sequenceId":${Number.MAX_SAFE_INTEGER}}` }))
  await until(async () => (await app.hub.inbox('bob')).cursors.length === 1, 'the acknowledgement')
  const { count } = await app.hub.inbox('bob')
  t.ok(count > 100 && count < 500, `${count} still wait`)
  mute.destroy()
  const bob = await connectJson(t, url)
  for (let n = 500 - count; n < 500; n++) {
    const { data } = await bob.nextJson()
    if (!String(data).startsWith(`${n} `)) t.fail(`${n} is missing`)
  }
  t.same(await bob.quiet(), [])
})

t.test('only the pong of the pending probe acknowledges, and only up to the offset of the probe', async (t) => {
  const { app, port } = await listen(t)
  const liar = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.teardown(() => liar.destroy())
  t.equal((await liar.next()).payload.toString(), GREETING)
  const { offset: first } = await app.hub.send({ user: 'bob' }, 'first')
  const { offset: second } = await app.hub.send({ user: 'bob' }, 'second')
  const frames = [await liar.next(), await liar.next(), await liar.next()]
  t.same(frames.map(({ payload }) => payload.toString()), ['first', `Server->Ping->Client ${first}`, 'second'])
  const forged = ['Server->Ping->Client', 'Server->Ping->Client ', `Server->Ping->Client ${second}`, `Server->Ping->Client ${first} `, `Server->Ping->Client 0${first}`, `Server->Ping->Client ${Number.MAX_SAFE_INTEGER}`, 'Server->Ping->Client 1e999', 'Server->Ping->Client -1', Buffer.alloc(125, 0xff), '\0'.repeat(125), '']
  for (const payload of forged) liar.send(frame({ opcode: OPCODE.pong, payload }))
  liar.send(frame({ opcode: OPCODE.text, payload: 'all of it has been read' }))
  t.equal((await liar.next()).payload.toString(), `${ECHO}all of it has been read`)
  t.match(await app.hub.inbox('bob'), { count: 2, cursors: [] })

  liar.send(frame({ opcode: OPCODE.pong, payload: `Server->Ping->Client ${first}` }))
  t.equal((await liar.next()).payload.toString(), `Server->Ping->Client ${second}`, 'then the next is asked for')
  await until(async () => (await app.hub.inbox('bob')).count === 1, 'the acknowledgement')
  liar.send(frame({ opcode: OPCODE.pong, payload: `Server->Ping->Client ${first}` }))
  liar.send(frame({ opcode: OPCODE.text, payload: 'x' }))
  await liar.next()
  t.match(await app.hub.inbox('bob'), { count: 1 }, 'an answer counts once')
})

t.test('a client that answers every Ping with an empty Pong acknowledges its inbox', async (t) => {
  const { app, port } = await listen(t, { websocket: { pingPeriod: '300ms', heartbeatFailMaxTimes: 50 } })
  const bob = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.teardown(() => bob.destroy())
  await bob.next()
  const ping = await bob.next()
  t.match(ping, { opcode: OPCODE.ping, payload: Buffer.from('Server->Ping->Client') })
  const { offset } = await app.hub.send({ user: 'bob' }, 'first')
  t.equal((await bob.next()).payload.toString(), 'first')
  t.equal((await bob.next()).payload.toString(), `Server->Ping->Client ${offset}`)
  bob.send(frame({ opcode: OPCODE.pong }))
  bob.send(frame({ opcode: OPCODE.text, payload: 'x' }))
  t.equal((await bob.next()).payload.toString(), `${ECHO}x`)
  t.match(await app.hub.inbox('bob'), { count: 1 }, 'the first Pong answers the Ping of the heartbeat')
  bob.send(frame({ opcode: OPCODE.pong }))
  await until(async () => (await app.hub.inbox('bob')).count === 0, 'the acknowledgement')
})

t.test('an empty Pong acknowledges what its own Ping stands for, and nothing later', async (t) => {
  const { app, port } = await listen(t, { websocket: { pingPeriod: '200ms', heartbeatFailMaxTimes: 50 } })
  const bob = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.teardown(() => bob.destroy())
  const pong = frame({ opcode: OPCODE.pong })
  const echo = frame({ opcode: OPCODE.text, payload: 'x' })
  /** Reads frames up to one with this payload. */
  const readTo = async (payload: string): Promise<void> => { while ((await bob.next()).payload.toString() !== payload); }
  const count = async (): Promise<number> => {
    bob.send(echo)
    await readTo(`${ECHO}x`)
    return (await app.hub.inbox('bob')).count
  }
  await readTo('Server->Ping->Client')
  await readTo('Server->Ping->Client')
  const { offset } = await app.hub.send({ user: 'bob' }, 'first')
  await readTo(`Server->Ping->Client ${offset}`)
  bob.send(pong)
  bob.send(pong)
  t.equal(await count(), 1, 'both answer Pings of the heartbeat')
  // The probe is sent again with each period, and once more for the second message.
  await readTo(`Server->Ping->Client ${offset}`)
  await app.hub.send({ user: 'bob' }, 'second')
  bob.send(pong)
  t.ok(await count() >= 1, 'the second message has no Ping of its own yet')
  bob.send(Buffer.concat([pong, pong, pong, pong]))
  await until(async () => {
    bob.send(pong)
    return await count() === 0
  }, 'all Pings are answered')
})

t.test('a position that no message can have had acknowledges nothing', async (t) => {
  const { app, origin } = await listen(t)
  const { offset } = await app.hub.send({ user: 'bob' }, 'letter')
  const lies = [Number.MAX_SAFE_INTEGER, offset + 1, '9007199254740992', '9'.repeat(16), '9'.repeat(17), '-1', '1e15', 'NaN', 'x'.repeat(10_000)]
  for (const lie of lies) {
    const got: string[] = []
    const sent = request(`${origin}/admin/events?token=${token({ user: 'bob' })}`, { agent: false, headers: { 'last-event-id': String(lie) } }, (response) => {
      response.on('data', (chunk: Buffer) => got.push(chunk.toString())).on('error', () => {})
    })
    sent.on('error', () => {}).end()
    t.teardown(() => sent.destroy())
    await until(() => got.join('').includes('data: letter'), `the letter in spite of ${String(lie).slice(0, 20)}`)
    sent.destroy()
    await until(() => app.hub.size === 0)
    t.match(await app.hub.inbox('bob'), { count: 1 })
  }
})

const NESTED = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
const NO_JSON: Array<string | Buffer> = ['', ' ', 'hello', '{', '{"type":"ping"}{"type":"ping"}', Buffer.from('{"type":"ping"}'), Buffer.alloc(0), Buffer.alloc(1000, 0xff)]
const REFUSED = [
  '[]', '[{"type":"ping"}]', 'null', '5', '"ping"', '{}', '{"type":5}', '{"type":null}', '{"type":"nope"}', '{"type":"Ping"}', '{"type":"__proto__"}', '{"type":"constructor"}', '{"type":"toString"}',
  '{"type":"ping","__proto__":{"a":1}}', '{"type":"joinGroup"}', '{"type":"joinGroup","group":""}', '{"type":"joinGroup","group":5}', `{"type":"joinGroup","group":"${'x'.repeat(257)}"}`, String.raw`{"type":"joinGroup","group":"\ud800"}`,
  '{"type":"joinGroup","group":"g","ackId":-1}', '{"type":"joinGroup","group":"g","ackId":1.5}', '{"type":"joinGroup","group":"g","ackId":"1"}', '{"type":"joinGroup","group":"g","ackId":9007199254740992}', '{"type":"leaveGroup","group":["g"]}',
  '{"type":"sendToGroup","group":"g"}', '{"type":"sendToGroup","group":"g","data":1,"dataType":"xml"}', '{"type":"sendToGroup","group":"g","data":1,"dataType":"text"}', '{"type":"sendToGroup","group":"g","data":"?","dataType":"binary"}',
  '{"type":"sendToGroup","group":"g","data":1,"noEcho":"no"}', `{"type":"sendToGroup","group":"g","data":${NESTED}}`, String.raw`{"type":"sendToGroup","group":"g","dataType":"text","data":"\ud800"}`, '{"type":"event"}', '{"type":"event","event":5,"data":1}',
  '{"type":"event","event":"sum","data":9007199254740993}', '{"type":"event","event":"sum","data":{"a":[1e400]}}', '{"type":"invoke","event":"x","data":1}', '{"type":"invoke","invocationId":1,"target":"event","event":"x"}', '{"type":"setGroupState","group":"g","state":{}}',
  NESTED, `{"type":"${'x'.repeat(60_000)}"}`, `{"type":"event","event":"sum","dataType":"text","data":"${'x'.repeat(70_000)}"}`
]

t.test('a frame that is no JSON ends its connection with 1008, and affects no other client', async (t) => {
  const { app, url } = await listen(t, { websocket: { upgradesPerSecond: 0 } })
  const healthy = await connect(t, url)
  for (const subprotocol of [RELIABLE, PLAIN]) {
    for (const bad of NO_JSON) {
      const title = `${subprotocol} ${String(bad).slice(0, 80)}`
      const client = await connectJson(t, url, { subprotocol, roles: ['admin'] })
      const closed = client.closed()
      client.send(bad)
      client.sendJson({ type: 'joinGroup', group: 'too late' })
      const goodbye = await client.nextJson()
      t.match(goodbye, { type: 'system', event: 'disconnected', message: /^[ -~]{5,123}$/ }, title)
      t.same(await closed, { code: 1008, reason: goodbye['message'] }, title)
    }
  }
  await until(() => app.hub.size === 1)
  t.same((await app.hub.groups()).groups, [], 'no later frame has an effect')
  healthy.send('alive')
  t.equal(await healthy.next(), `${ECHO}alive`)
})

t.test('a refused request without an ackId is ignored, and the tenth in a minute ends the connection with 1008', async (t) => {
  const { app, url } = await listen(t, { websocket: { upgradesPerSecond: 0, messagesPerSecond: 0 } })
  app.hub.action('sum', {}, () => 1)
  for (const subprotocol of [RELIABLE, PLAIN]) {
    const only = subprotocol === RELIABLE ? ['{"type":"sequenceAck"}', '{"type":"sequenceAck","sequenceId":-1}', '{"type":"sequenceAck","sequenceId":"x"}', '{"type":"sequenceAck","sequenceId":1.5}', '{"type":"sequenceAck","sequenceId":null}', '{"type":"sequenceAck","sequenceId":"9999999999999999"}'] : []
    for (const bad of [...REFUSED, ...only]) {
      const title = `${subprotocol} ${bad.slice(0, 80)}`
      const client = await connectJson(t, url, { subprotocol, roles: ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup'] })
      const closed = client.closed()
      for (let n = 1; n < 10; n++) client.send(bad)
      t.same(await client.request({ type: 'joinGroup', group: 'g', ackId: 1 }), { type: 'ack', ackId: 1, success: true }, title)
      client.send(bad)
      t.match(await client.nextJson(), { type: 'system', event: 'disconnected', message: /^[ -~]{5,123}$/ }, title)
      t.match(await closed, { code: 1008 }, title)
    }
  }
  t.equal(app.hub.counters.dropped, 0)
})

t.test('a refused request with an ackId gets an ack error that names the reason', async (t) => {
  const { app, url } = await listen(t, { websocket: { messagesPerSecond: 0 } })
  app.hub.action('sum', {}, () => 1)
  const bob = await connectJson(t, url, { roles: ['webpubsub.sendToGroup'] })
  const cases: Array<[request: JsonFrame, name: string, message: RegExp]> = [
    [{ type: 'sendToGroup', group: 'g', dataType: 'xml', data: 1 }, 'BadRequest', /"dataType" must be json, text or binary/],
    [{ type: 'sendToGroup', group: 'g', dataType: 'protobuf', data: '' }, 'BadRequest', /protobuf is not supported/],
    [{ type: 'sendToGroup', group: 'g', dataType: 'text', data: 'x'.repeat(65_536) }, 'BadRequest', /larger than 65535 bytes/],
    [{ type: 'sendToGroup', group: 'g', dataType: 'binary', data: Buffer.alloc(65_536).toString('base64') }, 'BadRequest', /larger than 65535 bytes/],
    [{ type: 'event', event: 'sum', dataType: 'text', data: 'x'.repeat(65_536) }, 'BadRequest', /larger than 65535 bytes/],
    [{ type: 'sendToGroup', group: '', data: 1 }, 'BadRequest', /"group"/],
    [{ type: 'joinGroup', group: 'g' }, 'Forbidden', /./],
    [{ type: 'event', event: 'nothing' }, 'NotFound', /./],
    [{ type: 'setGroupState', group: 'g', state: {} }, 'BadRequest', /Group state is not supported/],
    [{ type: 'subscribeGroupState', group: 'g' }, 'BadRequest', /Group state is not supported/],
    [{ type: 'nope' }, 'BadRequest', /no request of this "type"/]
  ]
  let ackId = 0
  for (const [request, name, message] of [...cases, ...cases]) {
    const reply = await bob.request({ ...request, ackId: ++ackId })
    t.match(reply, { type: 'ack', ackId, success: false, error: { name, message } }, String(request['type']))
  }
  t.match(await bob.request({ type: 'invoke', invocationId: 'i', target: 'event', event: 'sum', dataType: 'xml', data: 1 }), { type: 'invokeResponse', invocationId: 'i', success: false, error: { name: 'BadRequest' } })
  bob.send('{"type":"event","event":"sum","ackId":1000,"data":{"id":653247040368672768123}}')
  t.match(await bob.nextJson(), { ackId: 1000, success: false, error: { message: /integers to 2\^53.*as a string/ } })
  for (const request of [
    { type: 'sendToGroup', group: 'g', stream: { streamId: 's', idleTimeoutMs: 1000 } }, { type: 'streamData', streamId: 's', streamSequenceId: 1, data: 1 }, { type: 'streamData', streamId: 's' }, { type: 'streamEnd', streamId: 's' }
  ]) {
    t.match(await bob.request(request), { type: 'streamClosed', streamId: 's', error: { name: 'NotFound', message: /streams are not supported/ } }, request.type)
  }
  t.ok(bob.socket.readyState === bob.socket.OPEN)
})

t.test('names that mean something to JavaScript mean nothing to the hub', async (t) => {
  const { app, url } = await listen(t)
  const bob = await connectJson(t, url, { roles: ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup'] })
  let ackId = 0
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    const event = await bob.request({ type: 'event', event: name, data: 1, ackId: ++ackId })
    t.match(event, { success: false, error: { name: 'NotFound' } }, name)
    t.match(await bob.request({ type: 'joinGroup', group: name, ackId: ++ackId }), { success: true }, name)
    const send = { type: 'sendToGroup', group: name, data: { a: name }, noEcho: true, ackId: ++ackId }
    t.match(await bob.request(send), { success: true }, name)
    t.match(await app.hub.send({ group: name }, name), { matched: 1 })
    t.match(await bob.nextJson(), { group: name, data: name })
  }
  const user = await connectJson(t, url, { user: '__proto__' })
  t.match(await app.hub.send({ user: '__proto__' }, 'hello'), { matched: 1 })
  t.match(await user.nextJson(), { data: 'hello' })
  t.match(await app.hub.inbox('__proto__'), { user: '__proto__', count: 1 })
})

t.test('a client cannot join more groups than there may be', async (t) => {
  const { app, url } = await listen(t, { websocket: { messagesPerSecond: 0 } })
  const bob = await connectJson(t, url, { roles: ['webpubsub.joinLeaveGroup'] })
  for (let n = 1; n <= 1000; n++) bob.sendJson({ type: 'joinGroup', group: `g${n}`, ackId: n })
  for (let n = 1; n <= 1000; n++) {
    const { ackId, success } = await bob.nextJson()
    if (ackId !== n || success !== true) t.fail(`${n} was answered with ${String(ackId)} ${String(success)}`)
  }
  t.match(await bob.request({ type: 'joinGroup', group: 'one more', ackId: 1001 }), {
    success: false, error: { name: 'BadRequest', message: /leave one first/ }
  })
  const joined = await bob.request({ type: 'joinGroup', group: 'g7', ackId: 1002 })
  t.match(joined, { success: true }, 'one that it is in already is no more')
  const pong = once(bob.socket, 'pong')
  bob.socket.ping()
  await pong
  t.equal(app.hub.client(bob.id)?.groups.length, 1000)
})
