import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { api, connect, GREETING, listen, TestClient, token, until } from '../../../support/helper.ts'
import { frame, OPCODE, rawConnect } from '../../../support/raw-client.ts'

async function count (origin: string, user: string): Promise<unknown> {
  return (await api(origin, 'GET', `/users/${user}/inbox`)).body['count']
}

t.test('messages to a user without a connection reach the next connection in order, until acknowledged', async (t) => {
  const { app, origin, url } = await listen(t)
  for (const n of [1, 2, 3]) t.match(await app.hub.send({ user: 'bob' }, `message ${n}`), { matched: 0, stored: true })
  t.match((await api(origin, 'GET', '/users/bob/inbox')).body, { user: 'bob', count: 3, dropped: 0, cursors: [] })

  const bob = await connect(t, url, { user: 'bob' })
  t.same([await bob.next(), await bob.next(), await bob.next()], ['message 1', 'message 2', 'message 3'])
  await until(async () => await count(origin, 'bob') === 0, 'the acknowledgement')
  t.match((await api(origin, 'GET', '/users/bob/inbox')).body, { count: 0, oldest: null, cursors: [{ device: '' }] })
  await app.hub.send({ user: 'bob' }, 'live')
  t.equal(await bob.next(), 'live')
  await until(async () => await count(origin, 'bob') === 0, 'the acknowledgement')

  bob.socket.terminate()
  const again = await connect(t, url, { user: 'bob' })
  await app.hub.send({ user: 'bob' }, 'next')
  t.equal(await again.next(), 'next')
})

t.test('messages that a client has not acknowledged stay in the inbox, although they were written', async (t) => {
  const { app, origin, port, url } = await listen(t)
  // A client that answers no ping.
  const mute = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.equal((await mute.next()).payload.toString(), GREETING)
  await app.hub.send({ user: 'bob' }, 'hello')
  t.equal((await mute.next()).payload.toString(), 'hello')
  const ping = await mute.next()
  t.equal(ping.opcode, OPCODE.ping)
  t.match(ping.payload.toString(), /^Server->Ping->Client \d+$/)
  // A pong without a probe, or for a future offset, acknowledges no message.
  mute.send(frame({ opcode: 0xa, payload: 'Server->Ping->Client 9007199254740991' }))
  mute.send(frame({ opcode: OPCODE.text, payload: 'x' }))
  t.match((await mute.next()).payload.toString(), /x$/)
  t.equal(await count(origin, 'bob'), 1)
  mute.destroy()

  const bob = await connect(t, url, { user: 'bob' })
  t.equal(await bob.next(), 'hello')
  await until(async () => await count(origin, 'bob') === 0, 'the acknowledgement')
})

t.test('devices without a name share a cursor of the inbox, a device with a name has its own', async (t) => {
  const { app, origin, url } = await listen(t)
  const open = async (device?: string): Promise<TestClient> => {
    const query = `token=${token({ user: 'bob' })}${device === undefined ? '' : `&device=${device}`}`
    const client = new TestClient(new WebSocket(`${url}?${query}`))
    t.teardown(() => client.socket.terminate())
    t.equal(await client.next(), GREETING)
    return client
  }
  const laptop = await open()
  const phone = await open('phone')
  phone.socket.terminate()
  await once(phone.socket, 'close')
  await until(() => app.hub.size === 1)
  await app.hub.send({ user: 'bob' }, 'hello')
  t.equal(await laptop.next(), 'hello')
  await until(async () => await count(origin, 'bob') === 0, 'the acknowledgement')

  const tablet = await open()
  t.same(await tablet.quiet(), [])
  const phoneAgain = await open('phone')
  t.equal(await phoneAgain.next(), 'hello')
})
