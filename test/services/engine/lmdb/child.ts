// What tests do in a process of its own: `child.ts MODE FOLDER [CLOCK]`. CLOCK is added to the clock, in ms.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { LmdbEngine } from '../../../../services/engine/lmdb/engine.ts'
import { HubError } from '../../../../services/model/errors.ts'
import { ALL, BOB, IDLE_NODE, readAll, draft } from '../../../engine-suite/kit.ts'
import { ROOMY, Sentences } from './kit.ts'

const [mode, path = '', clock = '0'] = process.argv.slice(2)
const commands = createInterface({ input: process.stdin })

/** Standard output is a pipe, which a process writes to at once: what it has told is not lost when it is killed. */
function tell (line: string): void {
  process.stdout.write(`${line}\n`)
}

const log = new Sentences()
const engine = await LmdbEngine.open({ ...ROOMY, now: () => Date.now() + Number(clock) }, { path, log })
engine.listen(({ offset }) => tell(`handed ${offset}`), IDLE_NODE)
engine.follow(ALL)
tell(`open ${process.pid}`)

/** Says one thing after another and tells what is stored, until it is killed. */
async function talk (speaker: number): Promise<never> {
  for (let n = 0; ; n++) {
    const text = `${path} ${clock} ${speaker}.${n}`
    const { offset, stored } = await engine.append(draft(text, { key: `${process.pid} ${speaker}.${n}` }))
    if (stored) tell(`stored ${offset} ${text}`)
    if (n % 10 === 0) tell(`counted ${JSON.stringify(await engine.state.update(`speaker ${speaker}`, (present) => Number(present ?? 0) + 1, 3_600_000))} ${speaker}`)
  }
}

/** Fills the disk, and says when it is full; and when it is not any more, after it has been told to go on. */
async function fill (): Promise<void> {
  await engine.append(draft('for bob', { address: BOB }))
  const words = 'x'.repeat(3000)
  const until = async (isStored: boolean): Promise<void> => {
    for (let n = 0; ; n++) {
      const appended = await Promise.all(Array.from({ length: 20 }, (_, k) => engine.append(draft(`${n}.${k} ${words}`, { key: `${isStored} ${n}.${k}` }))))
      for (const { offset, stored } of appended) tell(`${stored ? 'stored' : 'lost'} ${offset}`)
      if (appended.some(({ stored }) => stored === isStored)) return
      if (isStored) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await until(false)
  tell(`problem ${engine.problem}`)
  const refused = await engine.state.update('k', () => 1, 1000).then(() => 'done', (error: unknown) => error instanceof HubError ? error.code : 'failed')
  tell(`state ${refused}`)
  tell(`again ${JSON.stringify(await engine.append(draft(`0.0 ${words}`, { key: 'false 0.0' })))}`)
  const { gapUpTo } = await engine.read([{ address: ALL, after: 0 }], { messages: 1, bytes: 1 })
  tell(`gap ${gapUpTo > 0}`)
  await once(commands, 'line')
  await until(true)
  tell(`problem ${engine.problem}`)
  tell(`state ${await engine.state.update('k', () => 'done', 3_600_000)}`)
  await engine.close()
  tell('closed now')
}

if (mode === 'talk') await Promise.all([1, 2, 3, 4, 5].map(talk))
if (mode === 'fill') await fill()
if (mode === 'hold') await once(commands, 'line')
if (mode === 'read') {
  for (const { level, sentence } of log.all) tell(`logged ${level} ${sentence}`)
  tell(`read ${(await readAll(engine, [ALL])).texts.length}`)
  await engine.close()
}
if (mode === 'hand') {
  // Handed out, and killed before it can be on the disk.
  for (let n = 0; n < 100; n++) void engine.append(draft(`${n}`, { keep: n % 2 === 0 }))
  process.kill(process.pid, 'SIGKILL')
}
process.exit(0)
