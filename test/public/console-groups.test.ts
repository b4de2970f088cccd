// Takes over 10 s: each test starts a service, and the browser loads and compiles the 36 files of the console from its origin.
import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { inBrowser, MARKUP, USERS } from '../support/browser.ts'
import { connect, token, until } from '../support/helper.ts'

const GROUPS = '#groups [data-action=members]'
const COUNTS = '#groups .total'
const MEMBERSHIPS = '#membership-groups .name'
const ofUser = (user: string) => `#clients-rows tr:has(.client-user:text-is("${user}"))`

inBrowser(t, 'publishes to the members of a group only', {}, async (t, { app, page, push, url, shows }) => {
  const [bob, carol] = [await connect(t, url, { user: 'bob' }), await connect(t, url, { user: 'carol' })]
  await app.hub.join({ user: 'bob' }, 'news')
  await page.selectOption('#target', 'group')
  await shows('#target-id-label', 'Group')
  await push('hello')
  await shows('#target-id[aria-invalid=true]:focus', '')
  await shows('#target-id-error', 'Enter the group first.')
  await page.fill('#target-id', 'news')
  await push('hello members')
  await shows('#receipt', /^Offset \d+, stored: reached 1 of 1\.$/)
  t.same([await bob.next(), await carol.quiet()], ['hello members', []])
})

inBrowser(t, 'lists the groups with their members, page by page', {}, async (t, { app, page, url, shows }) => {
  await connect(t, url, { user: 'bob' })
  for (let n = 1; n <= 9; n++) await app.hub.join({ user: 'bob' }, `group ${n}`)
  await app.hub.join({ user: 'alice' }, 'group 9')
  await page.click('#groups-refresh')
  await shows(GROUPS, ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `group ${n}`))
  await page.focus('#groups-next')
  await page.keyboard.press('Enter')
  await shows(GROUPS, 'group 9')
  await shows(COUNTS, '2')
  await shows('#groups-page-info', /^Page 2, as of \d\d:\d\d:\d\d$/)
  t.equal(await page.evaluate('document.activeElement.id'), 'groups-first', 'the focus moves to the remaining button')
  await app.hub.leave({ user: 'alice' }, 'group 9')
  await app.hub.leave({ user: 'bob' }, 'group 9')
  await page.click('#groups-refresh')
  await shows(GROUPS, ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `group ${n}`))
  await shows('#groups-first')
  await app.hub.disconnect({ user: 'bob' })
  await page.click('#groups-refresh')
  await shows('#groups-empty', 'No group has members.')
})

inBrowser(t, 'shows the members of a group, of one user or of all, and publishes to the group', {}, async (t, { app, page, lists, push, url, shows }) => {
  const clients = [await connect(t, url, { user: 'bob' }), await connect(t, url, { user: 'bob' }), await connect(t, url, { user: 'carol' })]
  await lists('alice', 'bob', 'bob', 'carol')
  for (const user of ['bob', 'carol']) await app.hub.join({ user }, 'a/../b?c')
  await app.hub.join({ user: 'carol' }, 'news')
  await page.click('#groups-refresh')
  await shows(COUNTS, '3', '1')
  await page.click(`${GROUPS}:has-text("b?c")`)
  await shows(USERS, 'bob', 'bob', 'carol')
  await shows('#clients-total', '3')
  await shows(`${GROUPS}[aria-pressed=true]`, 'a/../b?c')
  t.equal(await page.inputValue('#clients-group'), 'a/../b?c')
  await page.fill('#clients-user', 'carol')
  await page.keyboard.press('Enter')
  await shows(USERS, 'carol')
  await page.fill('#clients-group', ' nowhere ')
  await page.keyboard.press('Enter')
  await shows('#clients-empty', 'No client of “carol” is in the group “nowhere”.')
  await shows(`${GROUPS}[aria-pressed=true]`)
  await page.click(`${GROUPS}:has-text("news")`)
  await shows(USERS, 'carol')
  await page.click(`${GROUPS}:has-text("news")`)
  await shows(USERS, 'alice', 'bob', 'bob', 'carol')
  await page.click('#groups [aria-label="Message the group a/../b?c"]')
  t.same([await page.inputValue('#target'), await page.inputValue('#target-id')], ['group', 'a/../b?c'])
  await push('hello members')
  t.same(await Promise.all(clients.map((client) => client.next())), Array(3).fill('hello members'))
})

inBrowser(t, 'lets a client join groups and leave them', { complaints: /status of 404/ }, async (t, { app, page, lists, url, shows }) => {
  const bob = await connect(t, url, { user: 'bob' })
  await lists('alice', 'bob')
  await shows('.client-groups button', 'Join a group', 'Join a group')
  await page.click(`${ofUser('bob')} [data-action=groups]`)
  await shows('#membership-title', 'Groups of bob')
  await shows('#membership-empty', 'This client is in no group.')
  await page.click('#membership-form button')
  await shows('#membership-error', 'Enter the group first.')
  for (const group of ['one', 'two', 'three', 'four']) {
    await page.fill('#membership-group', group)
    await page.keyboard.press('Enter')
    await shows('#membership-status', `Joined “${group}”.`)
  }
  await shows(MEMBERSHIPS, 'four', 'one', 'three', 'two')
  await shows('.client-groups button', 'Join a group', 'one, two, three +1')
  await shows(COUNTS, '1', '1', '1', '1')
  await page.focus('[aria-label="Leave one"]')
  await page.keyboard.press('Enter')
  await shows('#membership-status', 'Left “one”.')
  await page.waitForSelector('[aria-label="Leave three"]:focus')
  t.same((await app.hub.clients({ user: 'bob' })).clients[0]?.groups, ['two', 'three', 'four'])
  await shows('.client-groups button', 'Join a group', 'two, three, four')
  bob.socket.terminate()
  await until(() => app.hub.size === 1)
  await page.fill('#membership-group', 'late')
  await page.keyboard.press('Enter')
  await shows('#membership-error', /^This client is not connected.*\(HUB_CLIENT_NOT_FOUND\)$/)
  await page.click('#membership-close')
  await shows(USERS, 'alice')
})

inBrowser(t, 'shows the protocol of each client, and whether a client is behind and has dropped frames', { config: { websocket: { slowClient: 'dropNewest', maxQueueSize: 70_000 } } }, async (t, { app, page, lists, origin, url, shows }) => {
  const slow = await connect(t, url, { user: 'bob' })
  const reliable = new WebSocket(`${url}?token=${token({ user: 'carol' })}`, ['json.reliable.webpubsub.azure.v1'])
  t.teardown(() => reliable.terminate())
  await once(reliable, 'message')
  const stream = new AbortController()
  t.teardown(() => stream.abort())
  // The variable keeps a reference: an unreferenced response is cancelled.
  const events = await fetch(`${origin}/admin/events`, { headers: { authorization: `Bearer ${token({ user: 'dave' })}` }, signal: stream.signal })
  await lists('alice', 'bob', 'carol', 'dave')
  await shows('.client-protocol', 'raw', 'raw', 'json.reliable.webpubsub.azure.v1', 'sse')
  await shows('.client-state .badge', 'live', 'live', 'live', 'live')
  slow.socket.pause()
  for (let dropped = 0; dropped === 0;) ({ dropped } = await app.hub.send({ user: 'bob' }, 'x'.repeat(60_000)))
  await page.click('#clients-refresh')
  await shows('.client-state .badge', 'live', 'behind', 'live', 'live')
  await shows('.client-state .line', '1 dropped')
  t.equal(events.status, 200)
})

inBrowser(t, 'shows hostile names of groups as text, and publishes to exactly these groups', {
  complaints: /status of 404/
}, async (t, { app, page, lists, problems, push, url, shows }) => {
  const bob = await connect(t, url, { user: MARKUP })
  const odd = ` ${MARKUP}\n `
  for (const group of [MARKUP, odd, '..']) await app.hub.join({ user: MARKUP }, group)
  await lists('alice', MARKUP)
  await page.click('#groups-refresh')
  await shows(GROUPS, odd, '..', MARKUP)
  for (const [n, group] of [odd, '..', MARKUP].entries()) {
    if (group === '..') continue
    await page.click(`#groups li:nth-child(${n + 1}) [data-action=members]`)
    await shows(USERS, MARKUP)
    await page.click(`#groups li:nth-child(${n + 1}) [data-action=message]`)
    await push('hello')
    await shows('#receipt', /: reached 1 of 1\.$/)
    t.equal(await bob.next(), 'hello')
  }
  await page.click('#groups li:nth-child(2) [data-action=members]')
  await shows('#clients-error', 'This id cannot be written in an address.')
  await page.fill('#clients-group', MARKUP)
  await page.keyboard.press('Enter')
  await shows('#clients-error')
  await page.fill('#clients-user', 'x')
  await page.keyboard.press('Enter')
  await shows('#clients-empty', `No client of “x” is in the group “${MARKUP}”.`)
  await page.fill('#clients-user', '')
  await shows('.client-groups button', `${MARKUP}, ${odd}, ..`)
  await page.click('.client-groups button')
  await shows('#membership-title', `Groups of ${MARKUP}`)
  await shows(MEMBERSHIPS, odd, '..', MARKUP)
  await page.click('#membership-groups li:first-child button')
  await shows('#membership-status', `Left “${odd}”.`)
  await page.fill('#membership-group', `${MARKUP}${MARKUP}`)
  await page.keyboard.press('Enter')
  await shows('#membership-status', `Joined “${MARKUP}${MARKUP}”.`)
  t.same([await page.locator('img').count(), problems], [1, []], 'the logo is the only image')
})

inBrowser(t, 'shows no groups to a token without the role', { claims: {}, complaints: /status of 403/ }, async (_t, { shows }) => {
  await shows('#groups-error', /^The token is good, but it may not do this: .*\(HUB_FORBIDDEN\)$/)
  await shows('#groups-empty')
})

inBrowser(t, 'shows the number of groups of a client in many groups, and all of them in the dialog', {}, async (t, { app, page, lists, url, shows }) => {
  const groups = Array.from({ length: 25 }, (_, n) => `group ${n + 10}`)
  await connect(t, url, { user: 'bob', groups })
  await until(() => app.hub.localClients({ group: 'group 34' }).length === 1)
  await lists('alice', 'bob')
  await shows('.client-groups button', 'Join a group', 'group 10, group 11, group 12 +22')
  await page.click(`${ofUser('bob')} [data-action=groups]`)
  await shows(MEMBERSHIPS, ...groups)
})
