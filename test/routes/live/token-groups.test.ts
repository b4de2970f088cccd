import { createSigner } from 'fast-jwt'
import t from 'tap'
import { openEvents } from '../../support/event-client.ts'
import { listen, SECRET, token, until } from '../../support/helper.ts'
import { connectJson } from '../../support/json-client.ts'

/** A token of bob in the group board, issued some seconds ago. */
function tokenFrom (secondsAgo: number): string {
  const iat = Math.floor(Date.now() / 1000) - secondsAgo
  const sign = createSigner({ key: SECRET, algorithm: 'HS256' })
  return sign({ sub: 'bob', 'webpubsub.group': 'board', iat, exp: iat + 3600 })
}

t.test('a client that continues receives the messages to a group of its token since the token was issued, and a gap for earlier ones', async (t) => {
  const { app, origin } = await listen(t, { auth: { clockTolerance: 0 } })
  const { offset } = await app.hub.broadcast('before')
  await app.hub.send({ group: 'board' }, 'to the members of that time')
  await app.hub.broadcast('to everyone')
  await app.hub.send({ group: 'board' }, 'again to the members of that time')
  const { offset: last } = await app.hub.send({ user: 'bob' }, 'to bob')

  const member = await openEvents(t, origin, { after: `${offset}`, bearer: tokenFrom(60) })
  await until(() => member.data.length === 4)
  t.same(member.data, ['to the members of that time', 'to everyone', 'again to the members of that time', 'to bob'])

  // The token is issued in the next second.
  const issued = Math.floor(Date.now() / 1000)
  await until(() => Math.floor(Date.now() / 1000) > issued)
  const joined = await openEvents(t, origin, { after: `${offset}`, bearer: tokenFrom(0) })
  await until(() => joined.data.length === 2)
  t.same(joined.events.map(({ event, data }) => event === 'gap' ? event : data), ['gap', 'to everyone', 'gap', 'to bob'])
  await app.hub.send({ group: 'board' }, 'to all members')
  await until(() => joined.data.length === 3)
  joined.request.destroy()

  const again = await openEvents(t, origin, { after: `${last}`, bearer: tokenFrom(-30) })
  await until(() => again.lastId !== '')
  t.same(again.data, [], 'a clock ahead hides what was published before connecting')
  await app.hub.send({ group: 'board' }, 'live')
  await until(() => again.data.length === 1)
  t.same(again.data, ['live'], 'and nothing later')
})

t.test('a client that continues receives no message to a group from while its user was out of the group', async (t) => {
  const { app, origin, url } = await listen(t)
  const bearer = token({ user: 'bob', groups: ['board'] })
  const bob = await openEvents(t, origin, { bearer })
  await app.hub.send({ group: 'board' }, 'in')
  await until(() => bob.data.length === 1)
  await app.hub.leave({ user: 'bob' }, 'board')
  await app.hub.send({ group: 'board' }, 'out')
  bob.request.destroy()
  await until(() => app.hub.size === 0)

  const again = await openEvents(t, origin, { after: bob.lastId, bearer })
  await app.hub.send({ group: 'board' }, 'in again')
  await until(() => again.data.length === 1)
  t.same(again.data, ['in again'])

  // Another connection of the user joins by itself.
  const phone = await connectJson(t, url, { roles: ['webpubsub.joinLeaveGroup'] })
  t.match(await phone.request({ type: 'joinGroup', group: 'board', ackId: 1 }), { success: true })
  const third = await openEvents(t, origin, { after: bob.lastId, bearer })
  await until(() => third.data.length === 1)
  t.same(third.data, ['in again'])
  await phone.dropConnection(app)
  await connectJson(t, url, { query: phone.resumeQuery, roles: ['webpubsub.joinLeaveGroup'] })
  await until(() => app.hub.client(phone.id)?.groups.length === 1, 'a membership behind the leaving survives')
})
