import type { Test } from 'tap'
import { programMissing, type Example } from './example.ts'

const SCRIPTS = [{ file: 'push.sh', needs: 'curl', order: '4711' }, { file: 'push.py', needs: 'python3', order: '4712' }]
const RECEIPT = { duplicate: false, stored: true, matched: 1, written: 1, behind: 0, dropped: 0 }

/** Each script publishes to Bob once, also when it runs again, and prints the cause of a failure. */
export async function backendPush (t: Test, example: Example): Promise<void> {
  const app = example.run('app.js', { PORT: '0' })
  const HUB = await app.waitForOutput(/export HUB=(\S+)/)
  const TOKEN = await app.waitForOutput(/export TOKEN=(\S+)/)
  const expected: string[] = []

  for (const { file, needs, order } of SCRIPTS) await t.test(`${file} publishes`, {
    skip: programMissing(needs)
  }, async (t) => {
    const receipts = async (...args: string[]) => {
      const script = example.run(file, { HUB, TOKEN }, ...args)
      t.equal(await script.exitCode(), 0, script.output)
      return script.output.trim().split('\n').map((line) => JSON.parse(line) as { offset: number })
    }
    t.match(app.output, `/backend-push/${file}'\n`, 'the output has the command of the script')
    const first = await receipts()
    t.match(first, [RECEIPT, RECEIPT])
    const duplicates = first.map(({ offset }) => ({ ...RECEIPT, offset, duplicate: true }))
    t.match(await receipts(), duplicates, 'a second run publishes no message')
    t.match(await receipts(`${file}-1`), [RECEIPT, RECEIPT], 'another order is published')
    // JSON arrives as its publisher writes it. Python's json.dumps writes a space.
    const space = file === 'push.py' ? ' ' : ''
    for (const each of [order, `${file}-1`]) expected.push(`{"sold":${space}"${each}"}`, `Your order ${each} is on its way.`)
    await app.waitForOutput(new RegExp(`^bob < Your order ${file}-1 is on its way\\.$`, 'm'))
    t.same([...app.output.matchAll(/^bob < (.*)$/gm)].map(([, message]) => message), expected)
  })

  const expectFailure = async (t: Test, file: string, env: Record<string, string>, ...patterns: RegExp[]) => {
    const script = example.run(file, env)
    t.equal(await script.exitCode(), 1)
    for (const complaint of patterns) t.match(script.output, complaint)
    t.equal(script.stdout, '', 'no receipt is printed')
  }

  for (const { file, needs } of SCRIPTS) await t.test(`${file} reports a missing token and a refused token`, {
    skip: programMissing(needs)
  }, async (t) => {
    await expectFailure(t, file, { HUB }, /^TOKEN is not set\. Start app\.js/)
    const refused = /Not pushed to http:\S+\/broadcast\. .*"code":"HUB_TOKEN_INVALID"/
    await expectFailure(t, file, { HUB, TOKEN: 'not-a-token' }, refused)
  })

  t.equal(await app.stop(), 0, 'the program closes in order')

  for (const { file, needs } of SCRIPTS) await t.test(`${file} reports a hub that does not respond`, {
    skip: programMissing(needs)
  }, async (t) => {
    await expectFailure(t, file, { HUB, TOKEN }, /Not pushed.*http:\/\/127\.0\.0\.1:\d+/, /connect|refused/i)
  })
}
