import t from 'tap'
import { api, connect, listen, until } from '../../support/helper.ts'

/** Returns the ids of the clients of a user, oldest first. */
async function idsOf (origin: string, user: string): Promise<string[]> {
  const { body } = await api(origin, 'GET', `/clients?user=${user}`)
  return (body['clients'] as Array<{ id: string }>).map(({ id }) => id)
}

t.test('an operator adds one client to a group, and removes it', async (t) => {
  const { origin, url } = await listen(t)
  const [one, other] = [await connect(t, url, { user: 'bob' }), await connect(t, url, { user: 'bob' })]
  const [id = ''] = await idsOf(origin, 'bob')
  t.match(await api(origin, 'POST', '/groups/news/messages', { message: 'nobody' }), { status: 202, body: { matched: 0, written: 0, stored: true } })

  for (const again of [false, true]) t.match(await api(origin, 'PUT', `/groups/news/clients/${id}`), { status: 200, body: { group: 'news', member: true } }, String(again))
  t.same((await api(origin, 'GET', '/groups')).body, { groups: [{ group: 'news', clients: 1 }], next: null })
  t.match((await api(origin, 'GET', '/groups/news/clients')).body, { total: 1, clients: [{ id, user: 'bob', groups: ['news'] }], next: null })
  t.match(await api(origin, 'POST', '/groups/news/messages', { message: { n: 1 } }), { status: 202, body: { matched: 1, written: 1, behind: 0, duplicate: false } })
  t.equal(await one.next(), '{"n":1}')

  for (const again of [false, true]) t.match(await api(origin, 'DELETE', `/groups/news/clients/${id}`), { status: 200, body: { group: 'news', member: false } }, String(again))
  t.match((await api(origin, 'POST', '/groups/news/messages', { message: 'gone' })).body, { matched: 0 })
  t.same((await api(origin, 'GET', '/groups')).body, { groups: [], next: null })
  t.match((await api(origin, 'GET', '/groups/news/clients')).body, { total: 0, clients: [], next: null })
  t.same(await one.quiet(), [])
  t.same(await other.quiet(), [])

  for (const method of ['PUT', 'DELETE']) {
    t.match(await api(origin, method, '/groups/news/clients/gone'), { status: 404, body: { code: 'HUB_CLIENT_NOT_FOUND' } }, method)
  }
})

t.test('a user is a member with all present and future clients, until an operator ends the membership', async (t) => {
  const { app, origin, url } = await listen(t)
  const first = await connect(t, url, { user: 'bob' })
  const alice = await connect(t, url, { user: 'alice' })
  t.match(await api(origin, 'PUT', '/users/bob/groups/news'), { status: 200, body: { group: 'news', member: true } })
  t.match((await api(origin, 'POST', '/groups/news/messages', { message: 'one' })).body, { matched: 1 })
  t.equal(await first.next(), 'one')

  first.socket.terminate()
  await until(() => app.hub.size === 1)
  t.same((await api(origin, 'GET', '/groups')).body['groups'], [], 'the group has no member while the user is offline')
  const second = await connect(t, url, { user: 'bob' })
  const third = await connect(t, url, { user: 'bob' })
  await until(async () => (await api(origin, 'GET', '/groups/news/clients')).body['total'] === 2, 'both to be members')
  t.match((await api(origin, 'POST', '/groups/news/messages', { message: 'two' })).body, { matched: 2, written: 2 })
  t.equal(await second.next(), 'two', 'earlier messages are not delivered')
  t.equal(await third.next(), 'two')

  t.match(await api(origin, 'DELETE', '/users/bob/groups/news'), { status: 200, body: { group: 'news', member: false } })
  t.match((await api(origin, 'POST', '/groups/news/messages', { message: 'three' })).body, { matched: 0 })
  const fourth = await connect(t, url, { user: 'bob' })
  await until(async () => (await app.hub.clients({ user: 'bob' })).clients.every(({ behind }) => !behind), 'all to be live')
  t.match((await api(origin, 'POST', '/groups/news/messages', { message: 'four' })).body, { matched: 0 })
  for (const client of [second, third, fourth, alice]) t.same(await client.quiet(), [])
})

t.test('a user without a connection can become a member', async (t) => {
  const { origin, url } = await listen(t)
  t.equal((await api(origin, 'PUT', '/users/carol/groups/news')).status, 200)
  t.equal((await api(origin, 'DELETE', '/users/nobody/groups/news')).status, 200)
  const carol = await connect(t, url, { user: 'carol' })
  await until(async () => (await api(origin, 'GET', '/groups/news/clients')).body['total'] === 1, 'carol to be a member')
  await api(origin, 'POST', '/groups/news/messages', { message: 'hello' })
  t.equal(await carol.next(), 'hello')
})

t.test('groups are listed by name, page by page, with their numbers of members', async (t) => {
  const { app, origin, url } = await listen(t)
  for (const user of ['a', 'b', 'a']) await connect(t, url, { user })
  const [one = '', two = '', three = ''] = (await app.hub.clients()).clients.map(({ id }) => id)
  for (const [group, members] of [['b', [one]], ['ä', [one, two]], ['B', [three]], ['a/b ö?#%', [one, two, three]], ['10', [two]], ['9', [two]]] as const) {
    for (const id of members) t.equal((await api(origin, 'PUT', `/groups/${encodeURIComponent(group)}/clients/${id}`)).status, 200)
  }
  const all = [['10', 1], ['9', 1], ['B', 1], ['a/b ö?#%', 3], ['b', 1], ['ä', 2]].map(([group, clients]) => ({ group, clients }))
  t.same((await api(origin, 'GET', '/groups')).body, { groups: all, next: null })

  const pages: unknown[] = []
  for (let after: string | null = ''; after !== null;) {
    const { status, body } = await api(origin, 'GET', `/groups?limit=2${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`)
    t.equal(status, 200)
    pages.push(body['groups'])
    after = body['next'] as string | null
  }
  t.same(pages, [all.slice(0, 2), all.slice(2, 4), all.slice(4)])
  t.same((await api(origin, 'GET', '/groups?after=z')).body['groups'], all.slice(5))
  const { body } = await api(origin, 'GET', '/groups?limit=6')
  t.same(body, { groups: all, next: null }, 'a full last page has no next page')
})

t.test('the members of a group are listed page by page, and by user', async (t) => {
  const { app, origin, url } = await listen(t)
  for (const user of ['a', 'b', 'a', 'b', 'a']) await connect(t, url, { user })
  const ids = (await app.hub.clients()).clients.map(({ id }) => id)
  for (const id of ids.slice(1)) await app.hub.join(id, 'news')
  const path = '/groups/news/clients'
  const first = (await api(origin, 'GET', `${path}?limit=3`)).body
  t.match(first, { total: 4, clients: ids.slice(1, 4).map((id) => ({ id })), next: ids[3] })
  t.match((await api(origin, 'GET', `${path}?limit=3&after=${String(first['next'])}`)).body, { total: 4, clients: [{ id: ids[4] }], next: null })
  t.match((await api(origin, 'GET', `${path}?user=a`)).body, { total: 2, clients: [{ id: ids[2] }, { id: ids[4] }], next: null })
  t.match((await api(origin, 'GET', `${path}?user=nobody`)).body, { total: 0, clients: [], next: null })
})

t.test('an invalid request is refused with 400, and an id that is too long with 414', async (t) => {
  const { origin } = await listen(t)
  const long = 'x'.repeat(257)
  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'after=', `after=${long}`, 'other=1', 'user=a']) {
    t.match(await api(origin, 'GET', `/groups?${query}`), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } }, query)
  }
  for (const query of ['limit=0', 'limit=1001', 'after=', 'user=', 'group=x', 'id=x']) {
    t.match(await api(origin, 'GET', `/groups/news/clients?${query}`), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } }, query)
  }
  for (const body of [undefined, {}, [], { mesage: 'x' }, { message: 'x', keep: 'no' }, { message: 'x', ttl: 0 }, { message: 'x', group: 'y' }]) {
    t.match(await api(origin, 'POST', '/groups/news/messages', body), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } }, JSON.stringify(body))
  }
  const cases = [
    ['PUT', `/users/bob/groups/${long}`, 414], ['PUT', '/users//groups/x', 400], ['PUT', '/users/bob/groups/', 400], ['DELETE', '/users//groups/x', 400],
    ['PUT', `/groups/${long}/clients/a`, 414], ['PUT', '/groups/x/clients/', 400], ['DELETE', '/groups//clients/a', 400], ['GET', '/groups//clients', 400], ['GET', `/groups/${long}/clients`, 414]
  ] as const
  for (const [method, path, status] of cases) t.match(await api(origin, method, path), { status, body: { code: 'HUB_REQUEST_INVALID' } }, `${method} ${path}`)
})

t.test('a list shows 20 groups of a client and their number, and the entry of one client all of them', async (t) => {
  const { app, origin, url } = await listen(t)
  const names = Array.from({ length: 25 }, (_, n) => `group ${n + 10}`)
  await connect(t, url, { user: 'bob', groups: names })
  const [client] = app.hub.localClients()
  await until(() => client?.groups.length === 25)
  const cut = { groups: names.slice(0, 20), groupCount: 25 }
  for (const path of ['/clients', '/clients?user=bob']) t.match((await api(origin, 'GET', path)).body, { clients: [cut] }, path)
  t.match(await app.hub.clients({ group: 'group 10' }), { clients: [cut] })
  t.match((await api(origin, 'GET', `/clients/${client?.id}`)).body, { groups: names, groupCount: 25 })
})
