// Takes over 10 s because it starts the examples twelve times, and a browser. The examples run two at a time.

import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { packagePath } from '../../services/cli/package.ts'
import { backendPush } from './examples/backend-push.ts'
import { broadcastFromAnywhere } from './examples/broadcast-from-anywhere.ts'
import { browser } from './examples/browser.ts'
import { commandOf, Example, projectWith, temporaryFolder } from './examples/example.ts'
import { inbox } from './examples/inbox.ts'

/** The check of each folder of examples/, which starts the programs of the example. */
const CHECKS: Record<string, (t: Test, example: Example) => Promise<void>> = {
  'backend-push': backendPush,
  'broadcast-from-anywhere': broadcastFromAnywhere,
  browser,
  inbox
}
const NAMES = readdirSync(packagePath('examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name)

t.test('each example has a check, and a row with its command in the table of examples/README.md', async (t) => {
  t.same(NAMES, Object.keys(CHECKS).sort())
  const rows = readFileSync(packagePath('examples', 'README.md'), 'utf8').matchAll(/^\| \[(\S+)\]\(\S+\) \|.*\| `(.+)` \|$/gm)
  t.same([...rows].map(([, name, command]) => [name, command]).sort(), NAMES.map((name) => [name, commandOf(name, 'app.js')]))
  const linked = readFileSync(packagePath('examples', 'README.md'), 'utf8').matchAll(/\]\((\S+)\)/g)
  for (const [, path = ''] of linked) t.ok(readFileSync(packagePath('examples', path)).length > 0, `${path} exists`)
})

t.jobs = 2
for (const [name, check] of Object.entries(CHECKS)) {
  t.test(`the example "${name}" works as documented`, (t) => check(t, new Example(t, name, packagePath())))

  t.test(`the example "${name}" runs in a separate project, and leaves no files in it`, async (t) => {
    const project = await projectWith(t, name)
    const TMPDIR = await temporaryFolder(t)
    const app = new Example(t, name, project).run('app.js', { PORT: '0', TMPDIR })
    await app.waitForOutput(/(\S)/)
    t.equal(await app.stop('SIGINT'), 0, app.output)
    t.same(readdirSync(project).sort(), ['examples', 'node_modules', 'package.json'])
    t.same(readdirSync(TMPDIR), [], 'no temporary file remains')
  })
}
