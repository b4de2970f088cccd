// The program that tests start as a separate process: `child.ts MODE FOLDER [CLOCK]`. CLOCK is added to the
// clock, in ms. The program prints reports to standard output, one a line: `name value`.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { openFileEngine } from '../../../../services/engine/file/engine.ts'
import { HubError } from '../../../../services/model/errors.ts'
import { ALL, AMPLE_RETENTION, BOB, draft, LogRecorder } from '../../../engine-suite/kit.ts'

const [mode, path = '', clock = '0'] = process.argv.slice(2)
const commands = createInterface({ input: process.stdin })

/** Prints a report. Standard output is a pipe, and a process writes to a pipe at once: a kill loses no report. */
function report (line: string): void {
  process.stdout.write(`${line}\n`)
}

const log = new LogRecorder()
const retention = { ...AMPLE_RETENTION, now: () => Date.now() + Number(clock) }
// Small files, so that kills meet sealing; a full disk is met in the middle of a file.
const sizes = mode === 'fill' ? {} : { segmentBytes: 40_000, hotBytes: 20_000 }
const engine = await openFileEngine(retention, { path, log, ...sizes })
engine.follow(({ address, offset }) => { if ('all' in address) report(`delivered ${offset}`) })
report(`open ${process.pid}`)

/** Appends messages and reports the stored ones, until the process is killed. */
async function publish (publisher: number): Promise<never> {
  for (let n = 0; ; n++) {
    const text = `${path} ${clock} ${publisher}.${n}`
    const { offset, stored } = await engine.append(draft(text, { key: `${process.pid} ${publisher}.${n}` }))
    if (stored) report(`stored ${offset} ${text}`)
    if (n % 10 !== 0) continue
    const count = await engine.state.update([`publisher ${publisher}`], (present) => Number(present ?? 0) + 1, 24 * 3_600_000)
    report(`counted ${JSON.stringify(count)} ${publisher}`)
  }
}

/** Fills the disk and reports the full disk. After a line on standard input, reports that messages are stored again. */
async function fillDisk (): Promise<void> {
  await engine.append(draft('for bob', { address: BOB }))
  const padding = 'x'.repeat(3000)
  const appendUntil = async (isStored: boolean): Promise<void> => {
    for (let n = 0; ; n++) {
      const appended = await Promise.all(Array.from({ length: 20 }, (_, k) => {
        return engine.append(draft(`${n}.${k} ${padding}`, { key: `${isStored} ${n}.${k}` }))
      }))
      for (const { offset, stored } of appended) report(`${stored ? 'stored' : 'unstored'} ${offset}`)
      if (appended.some(({ stored }) => stored === isStored)) return
      if (isStored) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await appendUntil(false)
  report(`problem ${engine.problem}`)
  const codeOf = (error: unknown) => error instanceof HubError ? error.code : 'failed'
  report(`state ${await engine.state.update(['k'], () => 1, 1000).then(() => 'done', codeOf)}`)
  report(`again ${JSON.stringify(await engine.append(draft(`0.0 ${padding}`, { key: 'false 0.0' })))}`)
  const { gapUpTo } = await engine.read([{ address: ALL, after: 0 }], { messages: 1, bytes: 1 })
  report(`gap ${gapUpTo > 0}`)
  await once(commands, 'line')
  await appendUntil(true)
  report(`problem ${engine.problem}`)
  report(`state ${await engine.state.update(['k'], () => 'done', 3_600_000)}`)
  await engine.close()
  report('closed now')
}

if (mode === 'publish') await Promise.all([1, 2, 3, 4, 5].map(publish))
if (mode === 'fill') await fillDisk()
if (mode === 'hold') await once(commands, 'line')
if (mode === 'deliver') {
  // Delivers messages, and is killed before they can be on the disk.
  for (let n = 0; n < 100; n++) void engine.append(draft(`${n}`, { keep: n % 2 === 0 }))
  process.kill(process.pid, 'SIGKILL')
}
process.exit(0)
