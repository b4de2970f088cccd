import t from 'tap'
import { browserMissing, openPage } from '../../support/browser.ts'
import { listen, token, until } from '../../support/helper.ts'

/** What a page does; strings, because they run in the browser. */
const PAGE = {
  listen: (bearer: string) => `new Promise((resolve) => {
    window.got = []
    window.source = new EventSource('/admin/events?token=${bearer}')
    source.onopen = () => resolve()
    for (const type of ['message', 'gap', 'goodbye', 'binary']) source.addEventListener(type, ({ data, lastEventId }) => got.push([type, data, lastEventId]))
  })`,
  got: 'got'
}

t.test("a browser's EventSource receives published messages, and reconnects by itself for missed ones", { skip: browserMissing() }, async (t) => {
  const { app, origin, cut } = await listen(t, { sse: { retry: '50ms' } })
  const { page, problems } = await openPage(t, `${origin}/favicon.svg`)
  await page.evaluate(PAGE.listen(token()))
  const got = (): Promise<Array<[string, string, string]>> => page.evaluate(PAGE.got)

  const { offset } = await app.hub.broadcast('line 1\nline 2 ☃')
  await app.hub.send({ user: 'alice' }, { json: [null, '\u2028'] })
  await app.hub.broadcast(Uint8Array.from([255, 0]))
  await until(async () => (await got()).length === 3)
  t.same((await got()).map(([type, data]) => [type, data]), [['message', 'line 1\nline 2 ☃'], ['message', '{"json":[null,"\u2028"]}'], ['binary', '/wA=']])
  t.equal((await got())[0]?.[2], `${offset}`)

  cut()
  await until(() => app.hub.size === 0)
  await app.hub.broadcast('while it was away')
  await app.hub.send({ user: 'alice' }, 'to its user')
  await until(async () => (await got()).length === 5)
  t.same((await got()).slice(3).map(([, data]) => data), ['while it was away', 'to its user'])
  await until(() => app.hub.size === 1)
  t.match(await app.hub.broadcast('live'), { matched: 1, written: 1 })
  await until(async () => (await got()).length === 6)
  t.same(problems.filter((problem) => !/ERR_(INCOMPLETE_CHUNKED|CONNECTION)|404/.test(problem)), [])
})
