// The demonstration pages of the older services, opened from the disk as their readers did.

import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { packagePath } from '../../../services/cli/package.ts'
import type { ConfigInput } from '../../../services/config/input.ts'
import { browserMissing, openPage, type OpenPage } from '../../support/browser.ts'
import { listen, until } from '../../support/helper.ts'

const MESSAGES = '#messages li'

/** A page against a service in demo mode that lets pages of other origins in. */
function onPage (title: string, name: string, compat: ConfigInput['compat'], body: (t: Test, page: OpenPage & Awaited<ReturnType<typeof listen>>) => Promise<void>): void {
  t.test(title, { skip: browserMissing() }, async (t) => {
    const service = await listen(t, { auth: { mode: 'demo' }, websocket: { allowedOrigins: ['*'] }, ...(compat === undefined ? {} : { compat }) })
    const file = pathToFileURL(packagePath('test', 'routes', 'compat', 'pages', `${name}.html`))
    const opened = await openPage(t, `${file.href}#${service.origin.replace('http', 'ws')}`)
    await body(t, { ...service, ...opened })
    t.same(opened.problems, [])
  })
}

onPage('the page of GinSkeleton opens, sends and shows', 'gin-skeleton', undefined, async (_t, { app, page, shows }) => {
  await shows('#state', 'open')
  await shows(MESSAGES, '{"code":2000,"msg":"ws连接成功","data":""}')
  await page.fill('#text', '你好 <b>')
  await page.click('#send')
  await shows(MESSAGES, /2000/, '服务器已经收到了你的消息==>你好 <b>')
  await app.hub.broadcast('to all')
  await shows(MESSAGES, /2000/, /你好/, 'to all')
  await page.click('#close')
  await shows('#state', 'closed 1005')
})

onPage('the page of GinSkeleton is greeted as by the original behind its door', 'gin-skeleton', { ginSkeleton: 'open' }, async (_t, { page, shows }) => {
  await shows(MESSAGES, '{"code":200,"msg":"ws连接成功","data":""}')
  await page.fill('#text', 'hello')
  await page.click('#send')
  await shows(MESSAGES, /200/, '服务器已经收到了你的消息==>hello')
})

onPage('a page for ginServer calls actions and reaches everyone', 'gin-server', { ginServer: 'open' }, async (_t, { page, shows }) => {
  await shows('#state', 'open')
  await page.click('#send')
  await shows(MESSAGES, 'heart_beat: 0 成功')
  await page.fill('#text', 'HeartBeat')
  await page.click('#all')
  await shows(MESSAGES, 'heart_beat: 0 成功', 'HeartBeat: 0 成功')
})

onPage('the pages of the course leave pings out, and show text and pods', 'learn-gin', { learnGin: 'open' }, async (t, { origin, page, shows }) => {
  await shows('#state', /^(open|pinged \d+)$/)
  t.equal(await (await fetch(`${origin}/sendall?msg=abc`)).text(), 'OK')
  await shows(MESSAGES, 'abc')
  await page.fill('#text', 'nobody answers this')
  await page.click('#send')
  await fetch(`${origin}/sendall`)
  await shows('#pods tr', 'pod-101nginx:1.18node1', 'pod-76xsalpine:3.12node2', 'pod-F#ff3tomcat:8node3')
  await shows('#state', /^pinged [2-9]$/)
  await shows(MESSAGES, 'abc')
})

onPage('the page of the blog gets what was pushed while it was away', 'push-message', { pushMessage: 'open' }, async (_t, { app, origin, page, shows }) => {
  const push = (path: string, value: unknown) => fetch(origin + path, { method: 'POST', body: JSON.stringify(value) })
  await shows('#state', 'open')
  await push('/message/alice', { n: 1 })
  await shows(MESSAGES, '{"n":1}')
  await page.click('#close')
  await until(() => app.hub.size === 0)
  await push('/message/alice', { n: 2 })
  await push('/message', { n: 3 })
  await page.click('#open')
  await shows(MESSAGES, '{"n":1}', '{"n":2}', '{"n":3}')
})
