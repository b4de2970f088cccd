// Takes over 10 s: each test starts a service, and the browser loads and compiles the 36 files of the console from its origin.
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { ADMIN, inBrowser, MARKUP, USERS } from '../support/browser.ts'
import { connect, ECHO, GREETING, token, until } from '../support/helper.ts'

const SENT = '#log [data-kind=sent] .text'
const RECEIVED = '#log [data-kind=received] .text'

inBrowser(t, 'connects with the token of the link, and removes the token from the address bar', {}, async (
  t, { page, origin, shows }
) => {
  await shows('[data-token=present] [data-state=connected] #state-title', 'Connected')
  await shows('#connect', 'Disconnect')
  await t.resolves(page.waitForURL(`${origin}/`))
  await page.reload()
  await page.waitForSelector('body[data-token=absent]')
  t.equal(await page.isVisible('#main'), false, 'a reload removes the token')
})

inBrowser(t, 'asks for a token, and accepts a typed token and a token of a later link', { claims: null }, async (t, { app, page, origin, lists, shows }) => {
  await page.waitForSelector('body[data-token=absent] #token:focus')
  await page.fill('#token', token(ADMIN))
  await page.click('#connect')
  await lists('alice')
  t.equal(await page.inputValue('#token'), '', 'the field is empty')
  await page.goto(`${origin}/#token=${token({ ...ADMIN, user: 'bob' })}`)
  await until(async () => (await app.hub.clients()).clients.map(({ user }) => user).join() === 'bob', 'bob instead of alice')
  await t.resolves(page.waitForURL(`${origin}/`))
  await page.click('#connect')
  await shows('#state[data-state=closed] #state-detail', 'You disconnected.')
  await until(() => app.hub.size === 0)
})

inBrowser(t, 'shows the greeting, sends a message and shows the echo', {}, async (_t, { app, page, shows }) => {
  await page.fill('#message', 'héllo ☃')
  await page.click('#send')
  await shows(SENT, 'héllo ☃')
  await app.hub.broadcast(Uint8Array.of(0, 255))
  await app.hub.broadcast('x'.repeat(3000))
  await shows(RECEIVED, GREETING, `${ECHO}héllo ☃`, 'binary, 2 B: 00 ff', /^x{2000}… \(3,000 characters in all\)$/)
  await shows('.counts b', '1', '4')
})

inBrowser(t, 'broadcasts to itself and to others, and shows the receipt', {}, async (t, { push, url, shows }) => {
  const bob = await connect(t, url, { user: 'bob' })
  await push('hello all')
  await shows('#receipt', /^Offset \d+, stored: reached 2 of 2\.$/)
  await shows(RECEIVED, GREETING, 'hello all')
  t.equal(await bob.next(), 'hello all')
})

inBrowser(t, 'publishes to a user on all devices only', {}, async (t, { page, push, url, shows }) => {
  const [phone, laptop, carol] = [await connect(t, url, { user: 'bob' }), await connect(t, url, { user: 'bob' }), await connect(t, url, { user: 'carol' })]
  await page.selectOption('#target', 'user')
  await push('hello bob')
  await shows('#target-id-error', 'Enter the user id first.')
  await page.fill('#target-id', 'bob')
  await push('hello bob')
  await shows('#receipt', /: reached 2 of 2\.$/)
  t.same([await phone.next(), await laptop.next(), await carol.quiet()], ['hello bob', 'hello bob', []])
  await page.fill('#target-id', 'a/../b?c')
  await push('hello nobody')
  await shows('#receipt', /: no recipient is connected\.$/)
  await shows(RECEIVED, GREETING)
})

inBrowser(t, 'publishes JSON, and shows invalid JSON beside the field', {}, async (t, { page, push, url, shows }) => {
  const bob = await connect(t, url, { user: 'bob' })
  await page.check('#as-json')
  await push('{ "price": ')
  await shows('#broadcast-message[aria-invalid=true]:focus + #broadcast-message-error', /^Not valid JSON: ./)
  t.same(await bob.quiet(), [], 'nothing was sent')
  await page.fill('#broadcast-message', '{ "price": [1, null] }')
  await shows('#broadcast-message-error')
  await page.keyboard.press('Control+Enter')
  await shows('#receipt', /: reached 2 of 2\.$/)
  t.equal(await bob.next(), '{"price":[1,null]}')
})

inBrowser(t, 'lists the clients, filters by user, and publishes to one client', {}, async (t, { page, lists, push, url, shows }) => {
  const [bob, carol] = [await connect(t, url, { user: 'bob' }), await connect(t, url, { user: 'carol', roles: ['admin', 'ops'] })]
  await lists('alice', 'bob', 'carol')
  await shows('#clients-rows .client-roles', 'admin', '–', 'admin, ops')
  await page.fill('#clients-user', 'bob')
  await page.keyboard.press('Enter')
  await shows(USERS, 'bob')
  await shows('#clients-total', '1')
  await page.click('#clients-rows [data-action=message]')
  t.same([await page.inputValue('#target'), await page.inputValue('#target-id')], ['client', await page.getAttribute('#clients-rows tr', 'data-client-id')])
  await push('only you')
  t.same([await bob.next(), await carol.quiet()], ['only you', []])
  await page.fill('#clients-user', '')
  await shows(USERS, 'alice', 'bob', 'carol')
})

inBrowser(t, 'disconnects a client after a confirmation', {}, async (t, { page, lists, url, shows }) => {
  const bob = await connect(t, url, { user: 'bob' })
  await lists('alice', 'bob')
  await page.click('tr:last-child [data-action=disconnect]')
  await shows('#confirm-title', 'Disconnect bob?')
  await page.click('#confirm-no')
  await lists('alice', 'bob')
  await page.click('tr:last-child [data-action=disconnect]')
  const [ending] = await Promise.all([bob.closed(), page.click('#confirm-yes')])
  t.same(ending, { code: 4000, reason: 'disconnected' })
  await shows('#clients-status', /^Disconnected bob \(/)
  await lists('alice')
})

inBrowser(t, 'reconnects by itself after a restart of the service, but not after a disconnect by an operator', { clock: true }, async (t, { app, page, requests, shows }) => {
  await page.uncheck('#auto-refresh')
  await app.hub.disconnect({ all: true }, { code: 1012, reason: 'service restart' })
  await shows('#log [data-kind=note] .text', 'Connected.', 'The server restarts. Code 1012: service restart', 'Connected.')
  await page.waitForSelector((await app.hub.clients()).clients.map(({ id }) => `[data-client-id="${id}"]`).join())
  await app.hub.disconnect({ all: true })
  await shows('#state[data-state=closed] #state-detail', 'Disconnected by an operator. Code 4000: disconnected')
  await page.clock.runFor('10:00')
  t.equal(requests.filter((address) => address.startsWith('ws:')).length, 2, 'no attempt in ten minutes')
  await page.click('#connect')
  await shows('#state-title', 'Connected')
})

inBrowser(t, 'shows that a token is refused, and does not retry', { claims: { ttlSeconds: -60 }, clock: true, complaints: /status of 401|Authentication failed/ }, async (t, { page, requests, shows }) => {
  await shows('#state[data-state=refused] #state-title', 'Token refused')
  await shows('#state-detail', /^The token has expired.* Code 4401: HUB_TOKEN_EXPIRED: /)
  await shows('#clients-error', /^Token refused: /)
  await page.waitForSelector('#token:focus')
  const before = [...requests]
  await page.clock.runFor('10:00')
  t.same(requests, before, 'no request in ten minutes')
})

inBrowser(t, 'connects without the role admin, and shows that the API is forbidden', { claims: {}, complaints: /status of 403/ }, async (_t, { page, push, shows }) => {
  const forbidden = /^The token is good, but it may not do this: .*"admin".*\(HUB_FORBIDDEN\)$/
  await shows('#clients-error', forbidden)
  await shows(USERS)
  await push('hello')
  await shows('#broadcast-error', forbidden)
  await page.fill('#message', 'hello')
  await page.click('#send')
  await shows(RECEIVED, GREETING, `${ECHO}hello`)
})

inBrowser(t, 'shows data from clients as text', { complaints: /Content Security Policy|404/ }, async (t, { app, page, lists, problems, url, shows }) => {
  await connect(t, url, { user: MARKUP, roles: [MARKUP] })
  await app.hub.broadcast(MARKUP)
  await app.hub.broadcast({ html: MARKUP })
  await page.fill('#message', MARKUP)
  await page.click('#send')
  await shows(RECEIVED, GREETING, MARKUP, `{"html":"${MARKUP}"}`, ECHO + MARKUP)
  await lists('alice', MARKUP)
  await page.click('tr:last-child [data-action=disconnect]')
  await shows('#confirm-title', `Disconnect ${MARKUP}?`)
  await page.click('#confirm-yes')
  await lists('alice')
  await page.fill('#clients-user', MARKUP)
  await page.keyboard.press('Enter')
  await shows('#clients-empty', `No client of “${MARKUP}” is online.`)
  await app.hub.disconnect({ all: true }, { reason: MARKUP })
  await shows('#state-detail', `Disconnected by an operator. Code 4000: ${MARKUP}`)
  t.same([await page.locator('img').count(), problems], [1, []], 'the logo is the only image')
  await page.evaluate(`document.body.insertAdjacentHTML('beforeend', '${MARKUP}')`)
  const isViolation = (problem: string) => problem.includes('Content Security Policy')
  await until(() => problems.some(isViolation), 'a violation of the CSP by the same text as markup')
})

inBrowser(t, 'keeps the token out of addresses, storage and the page', {
  claims: null, isShared: false
}, async (t, { app, log, page, push, origin, requests, shows }) => {
  const requested: unknown[] = []
  const record = ({ url, headers }: IncomingMessage) => requested.push(url, 'referer' in headers)
  app.server.on('request', record)
  app.websocketServer.on('connection', (_socket, request) => record(request))
  const secret = token(ADMIN)
  await page.goto('about:blank')
  // With a path at another origin, the page would send the token to this origin.
  await page.goto(`${origin}/#token=${secret}&path=//example.com/admin/ws`)
  await shows('#state-detail', `${new URL(origin).host}/admin/ws`)
  await shows(USERS, 'alice')
  await push('hello')
  await shows('#receipt', /reached 1 of 1/)
  const expected = ['/admin/ws', '/clients?limit=50', '/groups?limit=8', '/broadcast', true]
  const included = expected.map((one) => requested.includes(one))
  t.same(included, [true, true, true, true, false], 'the service received the requests, without a referrer')
  const { entries } = await (await page.context().newCDPSession(page)).send('Page.getNavigationHistory')
  t.same(entries.map(({ url }) => url), ['about:blank', `${origin}/`, 'about:blank', `${origin}/`], 'the history has no link')
  t.notMatch([...requested, ...requests, log.text, await page.content()].join('\n'), secret)
  t.same(await page.context().storageState({ indexedDB: true }), { cookies: [], origins: [] })
  t.same(await page.evaluate('Promise.all([sessionStorage.length, history.state, caches.keys()])'), [0, null, []])
})

inBrowser(t, 'works with the keyboard alone', {}, async (t, { page, url, shows }) => {
  const press = async (...keys: string[]) => { for (const key of keys) await page.keyboard.press(key) }
  const tabTo = async (selector: string) => {
    for (let left = 50; left > 0 && await page.locator(`${selector}:focus`).count() === 0; left--) await press('Tab')
    t.equal(await page.locator(`${selector}:focus`).count(), 1, `Tab leads to ${selector}`)
  }
  const bob = await connect(t, url, { user: 'bob' })
  await tabTo('#message')
  await press('a', 'Tab', 'Enter', 'b', 'Enter')
  await shows(SENT, 'a', 'b')
  await tabTo('#clients-refresh')
  await press('Enter')
  await shows(USERS, 'alice', 'bob')
  await tabTo('tr:last-child [data-action=disconnect]')
  await press('Enter', 'Escape', 'Enter')
  await tabTo('#confirm-yes')
  const [{ code }] = await Promise.all([bob.closed(), press('Enter')])
  t.equal(code, 4000)
})

inBrowser(t, 'fits a screen of 360 px', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }, async (t, { app, page, lists, push, url, shows }) => {
  const fits = async (what: string) => {
    const beyond = "Array.from(document.querySelectorAll('button, input, select, textarea')).map(one => one.getBoundingClientRect()).filter(({ left, right }) => left < 0 || right > 360)"
    t.same(await page.evaluate(`[innerWidth, document.documentElement.scrollWidth, matchMedia('(pointer: coarse)').matches, ${beyond}]`), [360, 360, true, []], what)
  }
  await connect(t, url, { user: 'u'.repeat(256), roles: ['r'.repeat(300)] })
  await app.hub.broadcast('x'.repeat(2000))
  await shows(RECEIVED, GREETING, /^x+$/)
  await lists('alice', /^u+$/)
  await page.selectOption('#target', 'user')
  await push('hello')
  await fits('with long names and a long message')
  await page.click('tr:last-child [data-action=disconnect]')
  await fits('with the dialog')
  await page.reload()
  await page.waitForSelector('body[data-token=absent]')
  await fits('without a token')
})
