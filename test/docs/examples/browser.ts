import type { Test } from 'tap'
import { browserMissing, MARKUP, openPage } from '../../support/browser.ts'
import { PROGRAMS_MS, until } from '../../support/until.ts'
import type { Example } from './example.ts'

/** Two pages exchange messages, and reconnect after a restart of the hub and after the expiry of a token. */
export async function browser (t: Test, example: Example): Promise<void> {
  await t.test('two pages receive the messages of each other', { skip: browserMissing() }, async (t) => {
    const app = example.run('app.js', { PORT: '0' })
    const alice = await openPage(t, await app.waitForOutput(/(\S+user=alice)/))
    const bob = await openPage(t, await app.waitForOutput(/(\S+user=bob)/))
    await alice.shows('#state', 'Connected as alice.')
    await bob.shows('#state', 'Connected as bob.')
    await publish(alice.page, 'hello')
    await bob.shows('#messages li', 'alice: hello')
    await publish(bob.page, MARKUP)
    for (const { shows } of [alice, bob]) await shows('#messages li', 'alice: hello', `bob: ${MARKUP}`)
    t.same([...alice.problems, ...bob.problems], [])
    const sockets = [...alice.requests, ...bob.requests].filter((url) => url.startsWith('ws'))
    t.notOk(sockets.some((url) => /token|bearer|\?/.test(url)), 'no address contains the token')
    t.equal(await app.stop(), 0, 'the program closes in order with connected pages')
  })

  await t.test('a page reconnects after a restart of the hub', { skip: browserMissing() }, async (t) => {
    const first = example.run('app.js', { PORT: '0' })
    const url = await first.waitForOutput(/(\S+user=alice)/)
    const { page, problems, shows } = await openPage(t, url, { clock: true })
    await shows('#state', 'Connected as alice.')
    const states = await watch(page)

    t.equal(await first.stop('SIGINT'), 0)
    await until(() => states.some((state) => state.startsWith('The connection ended (1012).')), 'the end of the connection', PROGRAMS_MS)
    t.equal(await page.isDisabled('#text'), true, 'the field is disabled while the page is not connected')
    const delays = () => states.flatMap((state) => /Trying again in (\S+) s/.exec(state)?.[1] ?? [])
    await until(async () => {
      await page.clock.runFor(1000)
      return delays().length >= 9
    }, 'nine attempts', PROGRAMS_MS)
    const expected = ['0.3', '0.5', '1.0', '2.0', '4.0', '8.0', '10.0', '10.0', '10.0']
    t.same(delays().slice(0, 9), expected, 'the delay grows up to a limit, and has a random part')

    const second = example.run('app.js', { PORT: new URL(url).port })
    await second.waitForOutput(/(user=alice)/)
    await until(async () => {
      await page.clock.runFor(1000)
      return states.at(-1) === 'Connected as alice.'
    }, 'the connection', PROGRAMS_MS)
    await publish(page, 'here I am again')
    await shows('#messages li', 'alice: here I am again')
    t.same(problems.filter((problem) => !problem.includes('ERR_CONNECTION_REFUSED')), [])
    t.equal(await second.stop(), 0)
  })

  await t.test('a page reconnects with a new token after the expiry of its token', { skip: browserMissing() }, async (t) => {
    const app = example.run('app.js', { PORT: '0', TOKEN_SECONDS: '2' })
    const { page, problems, requests } = await openPage(t, await app.waitForOutput(/(\S+user=alice)/))
    const states = await watch(page)
    await until(() => /ended \(4401\).* Trying again .*\nConnecting …\nConnected as alice\.$/m.test(states.join('\n')), 'a new connection', PROGRAMS_MS)
    const requestCount = (path: string) => requests.filter((url) => url.includes(path)).length
    const [tokens, connections] = [requestCount('/token'), requestCount('/live')]
    t.ok(tokens >= 2 && tokens >= connections, 'the page requests a new token for each connection')
    t.same(problems, [])
    t.equal(await app.stop(), 0)
  })
}

type Page = Awaited<ReturnType<typeof openPage>>['page']

/** Replaces the random numbers of the page by a constant, and reports each state to the test. */
const WATCH = `
  Math.random = () => 0.5
  new MutationObserver(() => note(state.textContent)).observe(state, { childList: true })
`

/** Returns a list to which each new state of the page is appended. */
async function watch (page: Page): Promise<readonly string[]> {
  const states: string[] = []
  await page.exposeFunction('note', (state: string) => { states.push(state) })
  await page.evaluate(WATCH)
  return states
}

/** Publishes a text with the form of the page. */
async function publish (page: Page, text: string): Promise<void> {
  await page.fill('#text', text)
  await page.click('form button')
}
