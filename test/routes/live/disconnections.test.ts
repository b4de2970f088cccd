import { cpSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MemoryState } from '../../../services/engine/memory/state.ts'
import { HubError } from '../../../services/model/errors.ts'
import type { Address } from '../../../services/model/message.ts'
import { api, listen, token, until } from '../../support/helper.ts'
import { connectJson, dial, PLAIN, refusal, RELIABLE } from '../../support/json-client.ts'
import { patch } from '../../support/patch.ts'
import { frame, OPCODE, rawConnect } from '../../support/raw-client.ts'
import { testFolder } from '../../support/test-folder.ts'

const START_OVER = { status: 101, code: 1008, reason: 'this connection cannot be resumed, start over' }

/** Connects a client of the reliable subprotocol that never answers a Close frame. */
async function connectFrozen (t: Test, port: number) {
  const headers = { 'Sec-WebSocket-Protocol': RELIABLE }
  const client = await rawConnect({ port, token: token({ user: 'bob' }), headers })
  t.teardown(() => client.destroy())
  const greeting = JSON.parse((await client.next()).payload.toString()) as Record<string, string>
  const id = String(greeting['connectionId'])
  const resumeQuery = `&awps_connection_id=${id}&awps_reconnection_token=${String(greeting['reconnectionToken'])}`
  return { client, id, resumeQuery }
}

/** The ways to disconnect a client of bob in the group vip from outside. */
function disconnectionsOf ({ app, origin }: Pick<Awaited<ReturnType<typeof listen>>, 'app' | 'origin'>) {
  return [
    ['by id', (id: string): unknown => app.hub.disconnect({ client: id })],
    ['by user', () => app.hub.disconnect({ user: 'bob' })],
    ['by group', () => app.hub.disconnect({ group: 'vip' })],
    ['with everyone', () => app.hub.disconnect({ all: true })],
    ['over the REST API', (id: string): unknown => api(origin, 'DELETE', `/clients/${id}`)]
  ] as const
}

t.test('a disconnected client that does not answer the Close frame cannot resume', async (t) => {
  const service = await listen(t)
  const { app, url, port } = service
  const closing = (id: string): unknown => app.hub.client(id)?.close({ code: 4900, reason: 'signed out' })
  for (const [title, disconnect] of [...disconnectionsOf(service), ['by the application', closing] as const]) {
    const { client, id, resumeQuery } = await connectFrozen(t, port)
    await app.hub.join(id, 'vip')
    await disconnect(id)
    t.ok(app.hub.client(id), `${title}: the connection has not ended`)
    t.same(await refusal(dial(t, url, { query: resumeQuery })), START_OVER, title)
    client.destroy()
    await until(() => app.hub.size === 0)
    t.same(await refusal(dial(t, url, { query: resumeQuery })), START_OVER, `${title}, after its end`)
  }
})

t.test('a client that is closing cannot resume after its disconnection', async (t) => {
  const service = await listen(t)
  const { app, url, port } = service
  for (const [title, disconnect] of disconnectionsOf(service)) {
    for (const close of ['by the client', 'by the hub']) {
      const { client, id, resumeQuery } = await connectFrozen(t, port)
      await app.hub.join(id, 'vip')
      // The client does not read the end of the connection.
      client.pause()
      if (close === 'by the client') client.send(frame({ opcode: OPCODE.close, payload: Buffer.from([0x03, 0xe9]) }))
      else app.hub.client(id)?.close({ code: 1012, reason: 'service restart' })
      await until(() => app.hub.client(id)?.isOpen === false)
      await disconnect(id)
      client.destroy()
      await until(() => app.hub.size === 0)
      t.same(await refusal(dial(t, url, { query: resumeQuery })), START_OVER, `${title}, closed ${close}`)
    }
  }
})

t.test('a disconnection of a lost client waits for the writes of its session', async (t) => {
  const { app, url } = await listen(t)
  const bob = await connectJson(t, url)
  await until(async () => (await app.hub.clients()).clients.every(({ behind }) => !behind))
  const pending: Array<() => void> = []
  const restore = patch(t, MemoryState, 'update', (update) => async function (this: MemoryState, ...args) {
    await new Promise<void>((resolve) => { pending.push(resolve) })
    return update.apply(this, args) as never
  })
  const joined = app.hub.join(bob.id, 'vip')
  await until(() => pending.length > 0)
  bob.socket.terminate()
  await until(() => app.hub.size === 0)
  const disconnected = app.hub.disconnect({ client: bob.id })
  await until(() => {
    for (const resolve of pending.splice(0)) resolve()
    return Promise.race([Promise.all([joined, disconnected]).then(() => true), new Promise<false>((resolve) => { setImmediate(resolve, false) })])
  })
  restore()
  t.same(await refusal(dial(t, url, { query: bob.resumeQuery })), START_OVER)
})

t.test('a group that a client has left before it is located is not joined by its token', async (t) => {
  const { app, url } = await listen(t)
  const left: Array<Promise<void>> = []
  app.hub.on('open', ({ id, identity: { user } }) => {
    left.push(app.hub.leave(user === 'bob' ? id : { user }, 'out'))
    left.push(app.hub.leave(id, 'again').then(() => app.hub.join(id, 'again')))
  })
  for (const user of ['bob', 'carol']) {
    const client = await connectJson(t, url, { user, groups: ['in', 'out', 'again'] })
    await Promise.all(left)
    await until(async () => (await app.hub.clients()).clients.every(({ behind }) => !behind))
    t.same(app.hub.client(client.id)?.groups.toSorted(), ['again', 'in'], user)
  }
})

t.test('a session whose groups are missing or older is not resumed', async (t) => {
  const { app, url } = await listen(t)
  const bob = await connectJson(t, url)
  patch(t, MemoryState, 'update', (update) => function (this: MemoryState, key, ...args) {
    return (key[0] === 'session-groups' ? Promise.resolve(undefined) : update.call(this, key, ...args)) as never
  })
  await app.hub.join(bob.id, 'vip')
  await bob.dropConnection(app)
  t.same(await refusal(dial(t, url, { query: bob.resumeQuery })), START_OVER)
})

t.test('a client that has left all groups resumes again and again', async (t) => {
  const { app, url } = await listen(t, { websocket: { resumeWindow: '1s' } })
  let bob = await connectJson(t, url)
  await app.hub.join(bob.id, 'vip')
  await app.hub.leave(bob.id, 'vip')
  const { id } = bob
  const began = performance.now()
  // Longer than a value lives that is not written again.
  for (let n = 1; n <= 5; n++) {
    await bob.dropConnection(app)
    bob = await connectJson(t, url, { query: bob.resumeQuery })
    t.equal(bob.id, id)
    await until(() => performance.now() - began > 400 * n)
  }
})

t.test('a client that violates its protocol and does not answer the Close frame cannot resume', async (t) => {
  const { app, url, port } = await listen(t)
  const { client, id, resumeQuery } = await connectFrozen(t, port)
  client.send(frame({ opcode: OPCODE.text, payload: 'no JSON' }))
  await until(() => client.unread().some(({ opcode }) => opcode === OPCODE.close))
  t.ok(app.hub.client(id))
  t.same(await refusal(dial(t, url, { query: resumeQuery })), START_OVER)

  const large = await connectFrozen(t, port)
  large.client.send(frame({ opcode: OPCODE.text, length: { bits: 64, claim: 10_000_000n } }))
  await until(() => large.client.unread().some(({ opcode }) => opcode === OPCODE.close))
  t.same(await refusal(dial(t, url, { query: large.resumeQuery })), START_OVER, 'nor after a frame over the limit')
})

t.test('a disconnection ends the sessions of connections that were lost shortly before', async (t) => {
  const { app, url } = await listen(t)
  const ends: ReadonlyArray<[title: string, address: (id: string) => Address]> = [
    ['of a client', (id) => ({ client: id })],
    ['of a user', () => ({ user: 'bob' })],
    ['of everyone', () => ({ all: true })]
  ]
  for (const [title, address] of ends) {
    const [bob, carol] = [await connectJson(t, url), await connectJson(t, url, { user: 'carol' })]
    await bob.dropConnection(app)
    await carol.dropConnection(app)
    t.equal(await app.hub.disconnect(address(bob.id)), 0, title)
    t.same(await refusal(dial(t, url, { query: bob.resumeQuery })), START_OVER, title)
    const isOver = title === 'of everyone'
    const again = dial(t, url, { user: 'carol', query: carol.resumeQuery })
    if (isOver) t.same(await refusal(again), START_OVER, title)
    else t.match(await again.nextJson(), { connectionId: carol.id }, `${title}: others resume`)
    again.socket.terminate()

    const next = await connectJson(t, url)
    await next.dropConnection(app)
    t.equal((await connectJson(t, url, { query: next.resumeQuery })).id, next.id, `${title}: later connections resume`)
    await app.hub.disconnect({ all: true }, { code: 1012 })
    await until(() => app.hub.size === 0)
  }
})

t.test('what the hub has answered survives a crash', async (t) => {
  const folder = testFolder(t)
  const path = join(folder, 'before')
  const { app, origin, port } = await listen(t, { engine: { kind: 'file', path } })
  const kicked = await connectFrozen(t, port)
  t.match(await api(origin, 'DELETE', `/clients/${kicked.id}`), { status: 200, body: { disconnected: 1 } })
  const member = await connectFrozen(t, port)
  await app.hub.join(member.id, 'in')
  await app.hub.join(member.id, 'out')
  await app.hub.leave(member.id, 'out')

  // The files as a killed process leaves them.
  cpSync(path, join(folder, 'after'), { recursive: true, filter: (file) => !file.endsWith('.sock') })
  const after = await listen(t, { engine: { kind: 'file', path: join(folder, 'after') } })
  t.same(await refusal(dial(t, after.url, { query: kicked.resumeQuery })), START_OVER)
  t.equal((await connectJson(t, after.url, { query: member.resumeQuery })).id, member.id)
  await until(() => after.app.hub.client(member.id)?.groups.length === 1)
  t.same(after.app.hub.client(member.id)?.groups, ['in'])
})

t.test('a decision that cannot be stored is answered with HUB_STORE_FAILED', async (t) => {
  const { app, origin, url } = await listen(t)
  const bob = await connectJson(t, url)
  const carol = await connectJson(t, url, { user: 'carol', subprotocol: PLAIN })
  await app.hub.leave({ user: 'carol' }, 'vip')
  await until(async () => (await app.hub.clients()).clients.every(({ behind }) => !behind))
  patch(t, MemoryState, 'update', () => async () => { throw new HubError('HUB_STORE_FAILED', 'The disk is full.') })
  const failed = { status: 503, body: { code: 'HUB_STORE_FAILED' } }
  t.match(await api(origin, 'PUT', `/groups/vip/clients/${bob.id}`), failed)
  t.match(await api(origin, 'DELETE', `/groups/vip/clients/${bob.id}`), failed)
  t.match(await api(origin, 'PUT', `/groups/vip/clients/${carol.id}`), failed, 'the return of a client without a session')
  t.match(await api(origin, 'PUT', '/users/bob/groups/vip'), failed)
  t.match(await api(origin, 'DELETE', `/clients/${bob.id}`), failed)
  await until(() => app.hub.client(bob.id) === undefined, 'the end of the connection')
})
