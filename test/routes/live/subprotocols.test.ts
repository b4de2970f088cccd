import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { ActionError, HubError } from '../../../index.ts'
import { connect, ECHO, listen, until } from '../../support/helper.ts'
import { PLAIN, RELIABLE, connectJson, type JsonClient, type JsonFrame } from '../../support/json-client.ts'
import { testFolder } from '../../support/test-folder.ts'

t.test('roles of the token decide which groups a client may join and send to by itself', async (t) => {
  const { url } = await listen(t)
  const [join, send] = ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup']
  const cases: Array<[roles: string[], allowed: string]> = [
    [[], ''],
    [[join], 'join news, leave news, join other, leave other'],
    [[`${join}.news`], 'join news, leave news'],
    [[send], 'send news, send other'],
    [[`${send}.other`], 'send other'],
    [[`${join}.news`, `${send}.other`], 'join news, leave news, send other'],
    [['admin'], 'join news, leave news, send news, join other, leave other, send other'],
    // What only looks like a role of this kind.
    [[`${join}.`, `${join}.new`, `${join}.newsx`, `${join}.News`, `${join}news`, 'joinLeaveGroup', `${send}.*`, 'webpubsub', 'Admin', 'user'], '']
  ]
  let ackId = 0
  for (const [roles, allowed] of cases) {
    const client = await connectJson(t, url, { roles })
    const done: string[] = []
    for (const group of ['news', 'other']) {
      for (const verb of ['join', 'leave', 'send']) {
        const request = verb === 'send' ? { type: 'sendToGroup', data: 1 } : { type: `${verb}Group` }
        const answer = await client.request({ ...request, group, ackId: ++ackId })
        if (answer['success'] === true) done.push(`${verb} ${group}`)
        else t.match(answer, { type: 'ack', ackId, success: false, error: { name: 'Forbidden', message: /has no role/ } }, `${roles.join()} ${verb} ${group}`)
      }
    }
    t.equal(done.join(', '), allowed, roles.join())
  }
})

t.test('who may send to a group need not be in it, and members learn who it was', async (t) => {
  const { app, url } = await listen(t)
  const alice = await connectJson(t, url, { user: 'alice', roles: ['webpubsub.sendToGroup'] })
  const bob = await connectJson(t, url, { subprotocol: PLAIN, roles: ['webpubsub.joinLeaveGroup'] })
  t.match(await bob.request({ type: 'joinGroup', group: 'news', ackId: 1 }), { success: true })
  t.match(await alice.request({ type: 'sendToGroup', group: 'news', data: { k: 1 }, ackId: 1 }), { success: true })
  t.same(await bob.nextJson(), {
    type: 'message', from: 'group', group: 'news', dataType: 'json', data: { k: 1 }, fromUserId: 'alice'
  })
  alice.sendJson({ type: 'sendToGroup', group: 'news', dataType: 'text', data: 'without an answer' })
  t.match(await bob.nextJson(), { data: 'without an answer' })
  t.same(await alice.quiet(), [], 'she is no member')
  t.match(await bob.request({ type: 'leaveGroup', group: 'news', ackId: 2 }), { ackId: 2, success: true })
  t.same(app.hub.client(bob.id)?.groups, [])
})

t.test('a sender that is a member receives its own message, unless it wants no echo', async (t) => {
  const { url } = await listen(t)
  const bob = await connectJson(t, url, { roles: ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup'] })
  await bob.request({ type: 'joinGroup', group: 'news', ackId: 1 })
  bob.sendJson({ type: 'sendToGroup', group: 'news', data: 'not for me', noEcho: true })
  bob.sendJson({ type: 'sendToGroup', group: 'news', data: 'for me too' })
  t.match(await bob.nextJson(), { data: 'for me too', fromUserId: 'bob' })
  t.same(await bob.quiet(), [])
})

t.test('the tenth refusal of commands without a reply ends the connection', async (t) => {
  const { app, url } = await listen(t)
  for (const request of [{ type: 'joinGroup', group: 'news' }, { type: 'sendToGroup', group: 'news', data: 1 }, { type: 'event', event: 'nothing', data: 1 }]) {
    const client = await connectJson(t, url)
    const closed = client.closed()
    for (let n = 1; n < 10; n++) client.sendJson(request)
    t.same(await client.request({ type: 'ping' }), { type: 'pong' }, request.type)
    client.sendJson(request)
    t.match(await client.nextJson(), { type: 'system', event: 'disconnected', message: /./ }, request.type)
    t.match(await closed, { code: 1008, reason: /./ }, request.type)
  }
  t.match(await app.hub.groups(), { groups: [] })
})

/** One connection of each protocol, and how an action is called on it: the reply in the form of that protocol. */
async function callers (t: Test, url: string, coming: { user?: string, roles?: string[] } = {}) {
  const raw = await connect(t, url, coming)
  const call = async (action: string, data?: unknown): Promise<JsonFrame> => {
    raw.send(JSON.stringify({ action, data, id: 'i' }))
    return JSON.parse(String(await raw.next())) as JsonFrame
  }
  let id = 0
  const clients: JsonClient[] = []
  for (const subprotocol of [RELIABLE, PLAIN]) clients.push(await connectJson(t, url, { ...coming, subprotocol }))
  return {
    raw: call,
    invoke: (event: string, data: unknown = null) => Promise.all(clients.map((client) => {
      return client.request({ type: 'invoke', invocationId: `${++id}`, target: 'event', event, data })
    })),
    event: (event: string, data: unknown = null) => Promise.all(clients.map((client) => {
      return client.request({ type: 'event', event, data, ackId: ++id })
    }))
  }
}

/** That an action fails, in the form of each protocol. */
async function fails (t: Test, { raw, invoke, event }: Awaited<ReturnType<typeof callers>>, action: string, data: unknown, { code, name, message, otherwise = name }: { code: string, name: string, message: RegExp, otherwise?: string }): Promise<void> {
  t.match(await raw(action, data), { action, id: 'i', ok: false, error: { code, message } }, `raw ${action}`)
  for (const answer of await invoke(action, data)) t.match(answer, { type: 'invokeResponse', invocationId: /\d/, success: false, error: { name: otherwise, message } }, `invoke ${action}`)
  for (const answer of await event(action, data)) t.match(answer, { type: 'ack', ackId: Number, success: false, error: { name, message } }, `event ${action}`)
}

t.test('actions answer in every protocol, and fail in its own form', async (t) => {
  const { app, url, log } = await listen(t)
  app.hub.action('sum', Type.Array(Type.Number()), (numbers) => numbers.reduce((total, number) => total + number, 0))
  app.hub.action('refuse', Type.Unknown(), () => { throw new HubError('HUB_FORBIDDEN', 'not you') })
  app.hub.action('taken', Type.Unknown(), () => { throw new ActionError(1001, 'taken') })
  app.hub.action('fail', Type.Unknown(), async () => { throw new Error('the password is hunter2') })
  app.hub.action('unsayable', Type.Unknown(), () => 1n)
  const all = await callers(t, url)
  t.same(await all.raw('sum', [1, 2]), { action: 'sum', id: 'i', ok: true, data: 3 })
  for (const answer of await all.invoke('sum', [1, 2])) t.match(answer, { type: 'invokeResponse', success: true, dataType: 'json', data: 3 })
  for (const answer of await all.event('sum', [1, 2])) t.match(answer, { type: 'ack', success: true })

  await fails(t, all, 'sum', [1, 'x'], { code: 'HUB_REQUEST_INVALID', name: 'BadRequest', message: /^data\/1: / })
  await fails(t, all, 'refuse', null, { code: 'HUB_FORBIDDEN', name: 'Forbidden', message: /^not you$/ })
  await fails(t, all, 'taken', null, { code: '1001', name: '1001', message: /^taken$/ })
  await fails(t, all, 'fail', null, { code: 'HUB_INTERNAL', name: 'InternalServerError', otherwise: 'InvocationFailed', message: /^The action failed\.$/ })
  t.ok(log.text.includes('hunter2'), 'the log knows')
  t.match(await all.raw('unsayable'), { ok: false, error: { code: 'HUB_INTERNAL' } })
  for (const answer of await all.invoke('unsayable')) t.match(answer, { success: false, error: { name: 'InvocationFailed' } })

  for (const answer of await all.invoke('nothing')) t.match(answer, { success: false, error: { name: 'NotFound' } })
  for (const answer of await all.event('nothing')) t.match(answer, { success: false, error: { name: 'NotFound' } })
})

t.test('on a raw connection, what names no action is a message', async (t) => {
  const { url } = await listen(t)
  const client = await connect(t, url)
  for (const text of ['{"action":"nothing"}', '{"action":5}', '{"action":"heart_beat","id":{}}', '{"action":"heart_beat"', '{"__proto__":{},"action":"heart_beat"}', '["heart_beat"]']) {
    client.send(text)
    t.equal(await client.next(), ECHO + text)
  }
})

t.test('heart_beat is there from the start, as clients of the older services call it', async (t) => {
  const { app, url } = await listen(t)
  const all = await callers(t, url)
  t.same(await all.raw('heart_beat', 'anything'), { action: 'heart_beat', id: 'i', ok: true, data: null })
  for (const answer of await all.invoke('heart_beat')) t.match(answer, { type: 'invokeResponse', success: true })
  for (const answer of await all.event('heart_beat')) t.match(answer, { type: 'ack', success: true })
  app.hub.action('heart_beat', Type.Unknown(), () => 'its own')
  t.match(await all.raw('heart_beat'), { ok: true, data: 'its own' }, 'an application may have one of its own')
  t.throws(() => app.hub.action('heart_beat', Type.Unknown(), () => null), /exists already/, 'but only one')
})

t.test('an action may be for those whose token has a role', async (t) => {
  const { app, url } = await listen(t)
  const called: string[] = []
  app.hub.action('restart', Type.Unknown(), (_data, client) => { called.push(client.identity.user) }, { role: 'operator' })
  await fails(t, await callers(t, url, { user: 'eve', roles: ['admin', 'operators'] }), 'restart', null, { code: 'HUB_FORBIDDEN', name: 'Forbidden', message: /role "operator"/ })
  t.same(called, [])
  const all = await callers(t, url, { user: 'olga', roles: ['operator'] })
  t.match(await all.raw('restart'), { ok: true })
  for (const answer of await all.invoke('restart')) t.match(answer, { success: true })
  t.same(called, ['olga', 'olga', 'olga'])
})

t.test('an action that takes too long is answered, and does not hold up the next', async (t) => {
  const { app, url } = await listen(t, { websocket: { actionTimeout: '20ms' } })
  const timeout = { code: 'HUB_ACTION_TIMEOUT', name: 'Timeout', message: /longer than 20 ms/ }
  const gates: Array<(answer: string) => void> = []
  const wait = (): Promise<string> => new Promise((resolve) => { gates.push(resolve) })
  app.hub.action('slow', Type.Unknown(), wait)
  app.hub.action('slower', Type.Unknown(), wait, { timeoutMs: 30 })
  app.hub.action('thenable', Type.Unknown(), () => ({ then () { /* What waits for it waits for ever. */ } }))
  app.hub.action('patient', Type.Unknown(), wait, { timeoutMs: 0 })
  const all = await callers(t, url)
  const patient = await callers(t, url, { user: 'patient' })
  const waiting = patient.raw('patient')
  await fails(t, all, 'slow', null, timeout)
  await fails(t, all, 'slower', null, { ...timeout, message: /longer than 30 ms/ })
  await fails(t, all, 'thenable', null, timeout)
  t.match(await all.raw('heart_beat'), { ok: true })
  for (const open of gates) open('at last')
  t.match(await waiting, { ok: true, data: 'at last' }, 'one without a limit is waited for')
  t.match(await all.raw('heart_beat'), { ok: true }, 'what comes too late is not said')
})

t.test('an event is called once for an ackId that succeeded, and again for one that failed', async (t) => {
  const { app, url } = await listen(t)
  let calls = 0
  app.hub.action('order', Type.Unknown(), () => { if (++calls === 1) throw new Error('the shop is closed') })
  const bob = await connectJson(t, url)
  const order = { type: 'event', event: 'order', data: 1, ackId: 5 }
  t.match(await bob.request(order), { ackId: 5, success: false, error: { name: 'InternalServerError' } })
  t.match(await bob.request(order), { ackId: 5, success: true })
  t.match(await bob.request(order), { ackId: 5, success: false, error: { name: 'Duplicate' } })
  await bob.dropConnection(app)
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.match(await resumed.request(order), { ackId: 5, success: false, error: { name: 'Duplicate' } }, 'also after a loss')
  t.equal(calls, 2)

  app.hub.action('slow', Type.Unknown(), () => new Promise(() => {}), { timeoutMs: 10 })
  const slow = { type: 'event', event: 'slow', data: 1, ackId: 6 }
  t.match(await resumed.request(slow), { success: false, error: { name: 'Timeout' } })
  const duplicate = await resumed.request(slow)
  t.match(duplicate, { success: false, error: { name: 'Duplicate' } }, 'it was begun, and may yet succeed')
})

t.test('the ids of calls are kept for each client, so no other client can displace them, and a restart keeps them', async (t) => {
  const engine = { kind: 'file', path: testFolder(t) } as const
  const before = await listen(t, { engine, websocket: { messagesPerSecond: 0 } })
  let calls = 0
  const order = { type: 'event', event: 'order', data: 1, ackId: 5 }
  before.app.hub.action('order', Type.Unknown(), () => { calls++ })
  const [bob, mallory] = [await connectJson(t, before.url), await connectJson(t, before.url, { user: 'mallory' })]
  t.match(await bob.request(order), { success: true })
  for (let ackId = 1; ackId <= 300; ackId++) mallory.sendJson({ ...order, ackId })
  await until(() => calls === 301)
  t.match(await bob.request(order), { error: { name: 'Duplicate' } })
  await before.app.close()

  const after = await listen(t, { engine })
  after.app.hub.action('order', Type.Unknown(), () => { calls++ })
  const resumed = await connectJson(t, after.url, { query: bob.resumeQuery })
  t.match(await resumed.request(order), { error: { name: 'Duplicate' } })
  t.equal(calls, 301)
})
