import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { packagePath } from '../../services/cli/package.ts'

const page = readFileSync(packagePath('docs', 'hardening.md'), 'utf8')
/** The last cell of each row of the tables, without their heads. */
const cells = [...page.matchAll(/^\|(?!---| what happens| case| advisory| point| requirement| guarantee| fault).*$/gm)]
  .map(([row]) => row.split('|').at(-2)?.trim() ?? '')

/** The tests that a cell names: files, each with titles. */
function testsIn (cell: string): Array<[file: string, title: string]> {
  return [...cell.matchAll(/`(test\/[^`]+\.ts)`: ((?:"[^"]+"(?:, )?)+)/g)].flatMap(([, file = '', titles = '']) =>
    [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']): [string, string] => [file, title]))
}

t.test('every test that docs/hardening.md names exists', async (t) => {
  const missing: string[] = []
  const tests = cells.flatMap(testsIn)
  for (const [file, title] of tests) {
    const source = existsSync(packagePath(file)) ? readFileSync(packagePath(file), 'utf8').replaceAll("\\'", "'") : ''
    if (!source.includes(title)) missing.push(`${file}: ${title}`)
  }
  t.same(missing, [])
  t.ok(tests.length > 150, `${tests.length} tests are named`)
})

t.test('every row of docs/hardening.md names a test, or the reason why it does not apply', async (t) => {
  t.same(cells.filter((cell) => testsIn(cell).length === 0 && !/^Does not apply: .+\.$/.test(cell)), [])
  const quoted = cells.join('\n').match(/"[^"]+"/g) ?? []
  t.equal(quoted.length, cells.flatMap(testsIn).length, 'each title belongs to a file')
})
