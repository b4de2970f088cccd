import type { Test } from 'tap'
import { programMissing, type Example } from './example.ts'

const SCRIPTS = [{ file: 'push.sh', needs: 'curl', order: '4711' }, { file: 'push.py', needs: 'python3', order: '4712' }]
const RECEIPT = { duplicate: false, stored: true, matched: 1, written: 1, behind: 0, dropped: 0 }

/** Each script reaches Bob, once however often it runs, and says what is wrong when it cannot. */
export async function backendPush (t: Test, example: Example): Promise<void> {
  const app = example.run('app.js', { PORT: '0' })
  const HUB = await app.says(/export HUB=(\S+)/)
  const TOKEN = await app.says(/export TOKEN=(\S+)/)
  const expected: string[] = []

  for (const { file, needs, order } of SCRIPTS) await t.test(`${file} pushes`, { skip: programMissing(needs) }, async (t) => {
    const receipts = async (...words: string[]) => {
      const script = example.run(file, { HUB, TOKEN }, ...words)
      t.equal(await script.ends(), 0, script.output)
      return script.output.trim().split('\n').map((line) => JSON.parse(line) as { offset: number })
    }
    t.match(app.output, `/backend-push/${file}'\n`, 'how to run it is printed')
    const first = await receipts()
    t.match(first, [RECEIPT, RECEIPT])
    t.match(await receipts(), first.map(({ offset }) => ({ ...RECEIPT, offset, duplicate: true })), 'the second time it is not said again')
    t.match(await receipts(`${file}-1`), [RECEIPT, RECEIPT], 'another order is another matter')
    for (const each of [order, `${file}-1`]) expected.push(`{"sold":"${each}"}`, `Your order ${each} is on its way.`)
    await app.says(new RegExp(`^bob < Your order ${file}-1 is on its way\\.$`, 'm'))
    t.same([...app.output.matchAll(/^bob < (.*)$/gm)].map(([, message]) => message), expected)
  })

  const complains = async (t: Test, file: string, env: Record<string, string>, ...complaints: RegExp[]) => {
    const script = example.run(file, env)
    t.equal(await script.ends(), 1)
    for (const complaint of complaints) t.match(script.output, complaint)
    t.equal(script.printed, '', 'and it prints no receipt')
  }

  for (const { file, needs } of SCRIPTS) await t.test(`${file} says that its token is missing or refused`, { skip: programMissing(needs) }, async (t) => {
    await complains(t, file, { HUB }, /^TOKEN is not set\. Start app\.js/)
    await complains(t, file, { HUB, TOKEN: 'not-a-token' }, /Not pushed to http:\S+\/broadcast\. .*"code":"HUB_TOKEN_INVALID"/)
  })

  t.equal(await app.stop(), 0, 'it ends in order')

  for (const { file, needs } of SCRIPTS) await t.test(`${file} says that the hub is not there`, { skip: programMissing(needs) }, async (t) => {
    await complains(t, file, { HUB, TOKEN }, /Not pushed.*http:\/\/127\.0\.0\.1:\d+/, /connect|refused/i)
  })
}
