import type { Test } from 'tap'
import { browserMissing, MARKUP, openPage } from '../../support/browser.ts'
import { PROGRAMS_MS, until } from '../../support/until.ts'
import type { Example } from './example.ts'

/** Two people talk in two pages, whatever happens to the hub. */
export async function browser (t: Test, example: Example): Promise<void> {
  await t.test('two pages talk to each other', { skip: browserMissing() }, async (t) => {
    const app = example.run('app.js', { PORT: '0' })
    const [alice, bob] = [await openPage(t, await app.says(/(\S+user=alice)/)), await openPage(t, await app.says(/(\S+user=bob)/))]
    await alice.shows('#state', 'Connected as alice.')
    await bob.shows('#state', 'Connected as bob.')
    await say(alice.page, 'hello')
    await bob.shows('#messages li', 'alice: hello')
    await say(bob.page, MARKUP)
    for (const { shows } of [alice, bob]) await shows('#messages li', 'alice: hello', `bob: ${MARKUP}`)
    t.same([...alice.problems, ...bob.problems], [])
    t.notOk([...alice.requests, ...bob.requests].some((url) => url.startsWith('ws') && /token|bearer|\?/.test(url)), 'the token is in no address')
    t.equal(await app.stop(), 0, 'it ends in order, pages or not')
  })

  await t.test('a page comes back when the hub does', { skip: browserMissing() }, async (t) => {
    const first = example.run('app.js', { PORT: '0' })
    const url = await first.says(/(\S+user=alice)/)
    const { page, problems, shows } = await openPage(t, url, { clock: true })
    await shows('#state', 'Connected as alice.')
    const states = await watch(page)

    t.equal(await first.stop('SIGINT'), 0)
    await until(() => states.some((state) => state.startsWith('The connection ended (1012).')), 'the end of the connection', PROGRAMS_MS)
    t.equal(await page.isDisabled('#text'), true, 'nobody writes into the void')
    const waits = () => states.flatMap((state) => /Trying again in (\S+) s/.exec(state)?.[1] ?? [])
    await until(async () => {
      await page.clock.runFor(1000)
      return waits().length >= 9
    }, 'nine attempts', PROGRAMS_MS)
    t.same(waits().slice(0, 9), ['0.3', '0.5', '1.0', '2.0', '4.0', '8.0', '10.0', '10.0', '10.0'], 'it waits longer and longer, with a limit, and for a random part of that')

    const second = example.run('app.js', { PORT: new URL(url).port })
    await second.says(/(user=alice)/)
    await until(async () => {
      await page.clock.runFor(1000)
      return states.at(-1) === 'Connected as alice.'
    }, 'the connection', PROGRAMS_MS)
    await say(page, 'here I am again')
    await shows('#messages li', 'alice: here I am again')
    t.same(problems.filter((problem) => !problem.includes('ERR_CONNECTION_REFUSED')), [])
    t.equal(await second.stop(), 0)
  })

  await t.test('a page whose token has expired comes back with a new one', { skip: browserMissing() }, async (t) => {
    const app = example.run('app.js', { PORT: '0', TOKEN_SECONDS: '2' })
    const { page, problems, requests } = await openPage(t, await app.says(/(\S+user=alice)/))
    const states = await watch(page)
    await until(() => /ended \(4401\).* Trying again .*\nConnecting …\nConnected as alice\.$/m.test(states.join('\n')), 'a new connection', PROGRAMS_MS)
    const asked = (path: string) => requests.filter((url) => url.includes(path)).length
    t.ok(asked('/token') >= 2 && asked('/token') >= asked('/live'), 'it asks for a token each time')
    t.same(problems, [])
    t.equal(await app.stop(), 0)
  })
}

type Page = Awaited<ReturnType<typeof openPage>>['page']

/** Takes chance out of the page, and tells the test of every state. */
const WATCH = `
  Math.random = () => 0.5
  new MutationObserver(() => note(state.textContent)).observe(state, { childList: true })
`

/** What the page says of its connection, from now on. */
async function watch (page: Page): Promise<readonly string[]> {
  const states: string[] = []
  await page.exposeFunction('note', (state: string) => { states.push(state) })
  await page.evaluate(WATCH)
  return states
}

async function say (page: Page, text: string): Promise<void> {
  await page.fill('#text', text)
  await page.click('form button')
}
