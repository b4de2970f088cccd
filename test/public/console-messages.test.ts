// Takes over 10 s: each test starts a service, and the browser loads and compiles the 36 files of the console from its origin.
import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { inBrowser, MARKUP } from '../support/browser.ts'
import { connect, GREETING, TestClient, token, until } from '../support/helper.ts'

const FACTS = '#message-status-answer dd'
const USERS = '#message-status-user-rows .name'
const STATUSES = '#message-status-user-rows .badge'
const INBOX = ['#inbox-count', '#inbox-oldest', '#inbox-dropped'].join()
const DEVICES = '#inbox-device-rows tr'

const time = (offset: number) => new Date(offset / 1000).toTimeString().slice(0, 8)
const lookUp = (name: string) => `#${name}-form button`

inBrowser(t, 'opens the status of a message from its receipt', {}, async (t, { app, page, push, url, shows }) => {
  const roles = ['webpubsub.joinLeaveGroup']
  const reliable = new WebSocket(`${url}?token=${token({ user: 'carol', roles })}`, ['json.reliable.webpubsub.azure.v1'])
  t.teardown(() => reliable.terminate())
  await once(reliable, 'message')
  await connect(t, url, { user: 'bob' })
  for (const user of ['bob', 'carol']) await app.hub.join({ user }, 'news')
  await page.selectOption('#target', 'group')
  await page.fill('#target-id', 'news')
  const received = once(reliable, 'message')
  await push('hello members')
  await shows('#receipt', /reached 2 of 2/)
  await page.click('#receipt-message-status')
  await shows(FACTS, 'group news', /^\d\d:\d\d:\d\d · \d+ s ago$/)
  await shows(USERS, 'bob', 'carol')
  await shows(STATUSES, 'sent', 'sent')
  await shows('#message-status-counts .badge', '2 sent')
  t.equal(await page.evaluate('document.activeElement.id'), 'message-status-field')
  const [data] = await received as [Buffer]
  const { sequenceId } = JSON.parse(data.toString()) as { sequenceId: number }
  t.equal(await page.inputValue('#message-status-field'), String(sequenceId))
  reliable.send(JSON.stringify({ type: 'sequenceAck', sequenceId }))
  await until(async () => (await app.hub.messageStatus(sequenceId)).users.some(({ status }) => status === 'acknowledged'))
  await page.click(lookUp('message-status'))
  await shows(STATUSES, 'sent', 'acknowledged')
  await shows('#message-status-counts .badge', '1 sent', '1 acknowledged')
})

inBrowser(t, 'shows the status of a message to everyone, to a user without a connection and to a client', {}, async (_t, { app, page, shows }) => {
  const { clients: [alice] } = await app.hub.clients()
  const look = async (offset: number, ...facts: string[]) => {
    await page.fill('#message-status-field', ` ${offset} `)
    await page.keyboard.press('Enter')
    await shows(FACTS, ...facts, /ago$/)
  }
  await look((await app.hub.broadcast('all')).offset, 'everyone')
  await shows(USERS, 'alice')
  await look((await app.hub.send({ user: 'bob' }, 'message')).offset, 'user bob')
  await shows(USERS, 'bob')
  await shows(STATUSES, 'stored')
  await look((await app.hub.send({ client: alice?.id ?? '' }, 'you')).offset, `client ${alice?.id ?? ''}`)
  await shows(USERS, 'alice')
  await look((await app.hub.send({ group: 'nobody' }, 'you')).offset, 'group nobody')
  await shows('#message-status-more', 'No recipient is connected.')
})

inBrowser(t, 'reports a message that is not in the log, and a field without an offset', { complaints: /status of 404/ }, async (_t, { app, page, push, shows }) => {
  const { offset } = await app.hub.broadcast('not kept', { keep: false })
  await push('kept')
  await page.click('#receipt-message-status')
  await shows(USERS, 'alice')
  await page.fill('#message-status-field', String(offset))
  await page.click(lookUp('message-status'))
  await shows('#message-status-error', /^The log has no message at this offset.*\(HUB_MESSAGE_NOT_FOUND\)$/)
  await shows('#message-status-answer')
  await shows('#message-status-spoken', '')
  for (const text of ['', '12x', '-1', '0', '9007199254740992']) {
    await page.fill('#message-status-field', text)
    await page.click(lookUp('message-status'))
    await shows('#message-status-field[aria-invalid=true]:focus', '')
    await shows('#message-status-error', 'Enter an offset, the number in a receipt.')
  }
})

inBrowser(t, 'shows the first hundred of many users, and all four states', {}, async (_t, { page, shows }) => {
  const users = ['stored', 'sent', 'acknowledged', 'expired'].map((status) => ({ user: `a ${status}`, status }))
  const crowd = Array.from({ length: 1200 }, (_, n) => ({ user: `user ${n}`, status: 'sent' }))
  await page.route('**/messages/7', (route) => route.fulfill({ json: { offset: 7, address: { all: true }, at: '2026-11-18T12:00:00.000Z', users: [...users, ...crowd] } }))
  await page.fill('#message-status-field', '7')
  await page.click(lookUp('message-status'))
  await shows('#message-status-counts .badge', '1 stored', '1,201 sent', '1 acknowledged', '1 expired')
  await shows(`${STATUSES} >> nth=3`, 'expired')
  await shows(`${USERS} >> nth=-1`, 'user 95')
  await shows('#message-status-more', 'The first 100 of 1,204 users.')
})

inBrowser(t, 'shows the inbox of a user, and the position of each device', {}, async (t, { app, page, url, shows }) => {
  await page.click(lookUp('inbox'))
  await shows('#inbox-error', 'Enter the user id first.')
  await page.fill('#inbox-field', 'bob')
  await page.click(lookUp('inbox'))
  await shows(INBOX, '0', '–', '0')
  await shows('#inbox-empty', 'No device has acknowledged anything.')
  const offsets: number[] = []
  for (const message of ['one', 'two', 'three']) offsets.push((await app.hub.send({ user: 'bob' }, message)).offset)
  const [first = 0, , last = 0] = offsets
  await page.click(lookUp('inbox'))
  await shows(INBOX, '3', time(first), '0')
  await shows('#inbox-spoken', '3 messages wait for bob.')
  await page.click('#inbox-oldest')
  await shows(FACTS, 'user bob', /ago$/)
  t.equal(await page.inputValue('#message-status-field'), String(first))
  const phone = new TestClient(new WebSocket(`${url}?token=${token({ user: 'bob' })}&device=phone`))
  t.teardown(() => phone.socket.terminate())
  t.equal(await phone.next(), GREETING)
  await connect(t, url, { user: 'bob' })
  await until(async () => (await app.hub.inbox('bob')).cursors.filter(({ acknowledged }) => acknowledged === last).length === 2, 'the acknowledgements')
  await page.click(lookUp('inbox'))
  await shows(INBOX, '0', '–', '0')
  await shows(DEVICES, new RegExp(`^no name${time(last)}\\d+ s ago$`), new RegExp(`^phone${time(last)}\\d+ s ago$`))
})

inBrowser(t, 'purges an inbox after a confirmation', {}, async (t, { app, page, shows }) => {
  for (const message of ['one', 'two', 'three']) await app.hub.send({ user: 'bob' }, message)
  await page.fill('#inbox-field', 'bob')
  await page.click(lookUp('inbox'))
  await page.click('#inbox-purge')
  await shows('#confirm-title', 'Purge the inbox of bob?')
  await shows('#confirm-no:focus', 'Cancel')
  await page.keyboard.press('Escape')
  await shows('#inbox-count', '3')
  t.equal((await app.hub.inbox('bob')).count, 3)
  await page.click('#inbox-purge')
  await shows('#confirm-yes', 'Purge')
  await page.click('#confirm-yes')
  await shows('#inbox-status', 'Removed 3 messages to bob.')
  await shows(INBOX, '0', '–', '0')
  t.equal((await app.hub.inbox('bob')).count, 0)
})

inBrowser(t, 'removes inbox and message status when the token changes', {}, async (_t, { app, page, shows }) => {
  const { offset } = await app.hub.send({ user: 'bob' }, 'message')
  await page.fill('#message-status-field', String(offset))
  await page.click(lookUp('message-status'))
  await page.fill('#inbox-field', 'bob')
  await page.click(lookUp('inbox'))
  await shows('#message-status-user-rows .name, #inbox-count', '1', 'bob')
  await page.fill('#token', token({ user: 'eve', roles: ['admin'] }))
  await page.click('#connect')
  await shows('.answer')
  await shows('#inbox-hint, #message-status-hint', /^Messages that wait/, /^Status of a message/)
})

inBrowser(t, 'shows the position of a client that reads everything', { config: { compat: { pushMessage: 'open' } } }, async (t, { origin, page, shows }) => {
  const client = new TestClient(new WebSocket(`${origin.replace('http', 'ws')}/client/bob`))
  t.teardown(() => client.socket.terminate())
  await once(client.socket, 'open')
  await page.fill('#inbox-field', 'bob')
  await page.click(lookUp('inbox'))
  await shows('#inbox-device-rows .name', 'everything')
})

inBrowser(t, 'shows hostile names of users and groups as text', {}, async (t, { app, page, problems, url, shows }) => {
  await connect(t, url, { user: MARKUP })
  await app.hub.join({ user: MARKUP }, MARKUP)
  const { offset } = await app.hub.send({ group: MARKUP }, MARKUP)
  await app.hub.send({ user: MARKUP }, MARKUP)
  await until(async () => (await app.hub.inbox(MARKUP)).cursors.some(({ acknowledged }) => acknowledged > offset), 'the acknowledgement')
  await page.fill('#message-status-field', String(offset))
  await page.click(lookUp('message-status'))
  await shows(FACTS, `group ${MARKUP}`, /ago$/)
  await shows(USERS, MARKUP)
  await page.fill('#inbox-field', MARKUP)
  await page.click(lookUp('inbox'))
  await shows('#inbox-device-rows .name', 'no name')
  await shows('#inbox-spoken', `0 messages wait for ${MARKUP}.`)
  await page.click('#inbox-purge')
  await shows('#confirm-title', `Purge the inbox of ${MARKUP}?`)
  await page.click('#confirm-yes')
  await shows('#inbox-status', `Removed 1 message to ${MARKUP}.`)
  t.same([await page.locator('img').count(), problems], [1, []], 'the logo is the only image')
})

inBrowser(t, 'fits a screen of 400 px with groups, an inbox, a message status and the dialog', { viewport: { width: 400, height: 800 }, isMobile: true, hasTouch: true }, async (t, { app, page, url, shows }) => {
  const fits = async (what: string) => {
    const beyond = "Array.from(document.querySelectorAll('button, input, dd, td, .badge')).filter(one => one.checkVisibility() && !one.closest('.spoken')).map(one => one.getBoundingClientRect()).filter(({ left, right }) => left < 0 || right > 400).length"
    t.same(await page.evaluate(`[innerWidth, document.documentElement.scrollWidth, ${beyond}]`), [400, 400, 0], what)
  }
  const long = 'u'.repeat(256)
  const client = new TestClient(new WebSocket(`${url}?token=${token({ user: long })}&device=${'d'.repeat(64)}`))
  t.teardown(() => client.socket.terminate())
  t.equal(await client.next(), GREETING)
  await app.hub.join({ user: long }, 'g'.repeat(256))
  const { offset } = await app.hub.send({ group: 'g'.repeat(256) }, 'hello')
  await page.click('#groups-refresh')
  await page.click('#clients-refresh')
  await page.fill('#message-status-field', String(offset))
  await page.click(lookUp('message-status'))
  await page.fill('#inbox-field', long)
  await page.click(lookUp('inbox'))
  await shows('#message-status-user-rows .name, #groups [data-action=members]', /^g+$/, /^u+$/)
  await shows('#inbox-count', '0')
  await fits('with long names')
  await page.click('tr:last-child [data-action=groups]')
  await shows('#membership-groups .name', /^g+$/)
  await fits('with the dialog')
})

inBrowser(t, 'looks up an inbox and purges it with the keyboard alone', {}, async (t, { app, page, shows }) => {
  const press = async (...keys: string[]) => { for (const key of keys) await page.keyboard.press(key) }
  await app.hub.send({ user: 'bob' }, 'message')
  await page.focus('#inbox-field')
  await press('b', 'o', 'b', 'Enter')
  await shows('#inbox-count', '1')
  await press('Tab', 'Tab', 'Enter')
  await shows('#message-status-field:focus', '')
  await shows(FACTS, 'user bob', /ago$/)
  await page.focus('#inbox-oldest')
  for (let left = 5; left > 0 && await page.locator('#inbox-purge:focus').count() === 0; left--) await press('Tab')
  await press('Enter', 'Tab')
  await shows('#confirm-yes:focus', 'Purge')
  await press('Enter')
  await shows('#inbox-count', '0')
  t.equal(await page.evaluate('document.activeElement.id'), 'inbox-purge', 'the focus returns to the button')
})
