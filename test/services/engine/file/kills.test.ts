// Kills of a process that appends to a log, half of them followed by a power cut. KILLS=200 for more kills,
// KILLS_SEED=n for others: the numbers repeat, the moments of the kills do not. Takes over 10 s on a busy machine: each
// kill needs a new process.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openFileEngine } from '../../../../services/engine/file/engine.ts'
import { AMPLE_RETENTION, LogRecorder } from '../../../engine-suite/kit.ts'
import { program } from '../../../support/program.ts'
import { Random } from '../../../support/random.ts'
import { testFolder } from '../../../support/test-folder.ts'
import { isSealed } from './files.ts'
import { readLog, type Life } from './kills-drafts.ts'
import { History, type Limit } from './kills-history.ts'

const KILLS = Number(process.env['KILLS'] ?? 12)
const SEED = Number(process.env['KILLS_SEED'] ?? 1)
/** Kills of one folder. */
const LIVES = 4
const IN_FLIGHT = [1, 16, 256]
const LIMITS: readonly Limit[] = ['none', 'count', 'bytes']
const PAGE_BYTES = 4096
/** A life that does not reach the moment of its kill is killed after this time. */
const LIFE_MS = 30_000

// A run with many kills takes longer than the limit of one test.
t.setTimeout(60_000 + 5000 * KILLS)

const child = program('kills-child.ts', import.meta.url)
const random = new Random(SEED)

/** The moment of a kill: behind a number of reports with a name and a pause, or so long after the start. */
interface Moment {
  readonly report: string
  readonly times: number
  readonly pauseMs: number
}

/** The reports before a kill. A power cut finds most bytes between a write and its sync. */
const REPORTS = ['start', 'open', 'content', 'acknowledged', 'acknowledged', 'delivered', 'synced', 'opened']
const REPORTS_BEFORE_CUT = ['written', 'written', 'written', 'written', 'written', 'opened', 'acknowledged', 'content']

function momentOf (inFlight: number, isCut: boolean): Moment {
  const report = random.oneOf(isCut ? REPORTS_BEFORE_CUT : REPORTS)
  if (report === 'start') return { report, times: 0, pauseMs: random.below(600) }
  if (report === 'open' || report === 'content') return { report, times: 1, pauseMs: random.below(200) }
  if (report === 'opened') return { report, times: random.between(1, 6), pauseMs: random.below(30) }
  const mostGroups = Math.min(100, 4000 / inFlight)
  if (report === 'written') return { report, times: random.between(1, mostGroups), pauseMs: random.below(4) }
  if (report === 'synced') return { report, times: random.between(1, mostGroups), pauseMs: random.below(8) }
  return { report, times: random.between(1, mostGroups * inFlight), pauseMs: random.below(8) }
}

function retentionOf (limit: Limit, inFlight: number): Life['retention'] {
  const ample = { ...AMPLE_RETENTION.log, maxAgeMs: 10_000_000_000 }
  const retention = { log: ample, inbox: ample, maxBytes: AMPLE_RETENTION.maxBytes, idempotencyWindowMs: 1_000_000_000 }
  const [least, most] = inFlight === 1 ? [3, 15] : [20, 100]
  if (limit === 'none') return retention
  if (limit === 'bytes') return { ...retention, maxBytes: 1500 * random.between(least + 20, most + 20) }
  const maxCounts = [random.between(least, most), random.between(least, most)]
  const [log, inbox] = maxCounts.map((maxCount) => ({ ...ample, maxCount }))
  return { ...retention, log: log ?? ample, inbox: inbox ?? ample }
}

/** Starts the child program, hands its reports to the history, and kills the program at a moment. */
async function live (life: Life, { report, times, pauseMs }: Moment, history: History): Promise<void> {
  const { execPath } = process
  const args = ['--enable-source-maps', ...child.execArgv, child.path, JSON.stringify(life)]
  const running = spawn(execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = (): void => { running.kill('SIGKILL') }
  const killLater = (): void => { if (pauseMs === 0) kill(); else timers.push(setTimeout(kill, pauseMs)) }
  const timers = [setTimeout(kill, LIFE_MS)]
  process.on('exit', kill)
  let [rest, errors, count] = ['', '', 0]
  if (report === 'start') killLater()
  running.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    // A kill may cut a report off: the program had not gone on behind it.
    rest = lines.pop() ?? ''
    for (const line of lines) {
      history.take(line)
      if (line.split(' ', 1)[0] === report && ++count === times) killLater()
    }
  })
  await once(running, 'close')
  for (const timer of timers) clearTimeout(timer)
  process.off('exit', kill)
  if (running.signalCode !== 'SIGKILL') history.broken.push(`the program has ended by itself: ${errors}`)
}

/**
 * Changes the bytes that a power cut may change: those of segments behind their synced length, and those of temporary
 * files. Returns the number of segments that were changed.
 */
function cutPower (path: string, { synced }: History, random: Random): number {
  let changed = 0
  for (const name of readdirSync(path)) {
    const file = join(path, name)
    if (name.endsWith('.tmp')) writeFileSync(file, changeTail(readFileSync(file), 0, random))
    if (!name.endsWith('.seg')) continue
    const bytes = readFileSync(file)
    const length = synced.get(name) ?? 0
    if (isSealed(file) || bytes.length <= length) continue
    // A file whose header is not on the disk may have no name.
    if (length === 0 && random.below(2) === 0) rmSync(file)
    else writeFileSync(file, changeTail(bytes, length, random))
    changed++
  }
  return changed
}

/** Bytes with a change at or behind a position: cut there, zeros or garbage in place of a page, or zeros behind. */
function changeTail (bytes: Buffer, from: number, random: Random): Buffer {
  const at = random.between(from, Math.max(from, bytes.length - 1))
  const start = Math.max(from, at - at % PAGE_BYTES)
  const end = Math.min(bytes.length, at - at % PAGE_BYTES + PAGE_BYTES)
  const zeros = Buffer.alloc(random.between(1, 2 * PAGE_BYTES))
  const kind = random.oneOf(['cut', 'zeros', 'garbage', 'byte', 'appended', 'cut and appended'])
  if (kind === 'cut') return bytes.subarray(0, at)
  if (kind === 'appended') return Buffer.concat([bytes, zeros])
  if (kind === 'cut and appended') return Buffer.concat([bytes.subarray(0, at), zeros])
  const changed = Buffer.from(bytes)
  if (kind === 'zeros') changed.fill(0, start, end)
  else if (kind === 'garbage') for (let n = start; n < end; n++) changed[n] = random.below(256)
  else changed[at] = (bytes[at] ?? 0) ^ 1 << random.below(8)
  return changed
}

t.test('kills and power cuts at random moments break no promise of the log', async (t) => {
  const folder = testFolder(t, {})
  const broken: string[] = []
  const totals = { kills: 0, powerCuts: 0, tailsChanged: 0, acknowledged: 0, duplicates: 0, checks: 0 }
  for (let run = 0; totals.kills < KILLS; run++) {
    const inFlight = IN_FLIGHT[run % 3] ?? 1
    const limit = LIMITS[(run + Math.floor(run / 3)) % 3] ?? 'none'
    const path = join(folder, String(run))
    const seed = SEED * 1000 + run
    const retention = retentionOf(limit, inFlight)
    const history = new History(seed, limit, retention)
    const [least, most] = inFlight === 1 ? [4, 30] : [30, 300]
    const files = { segmentBytes: 1000 * random.between(least, most), hotBytes: random.oneOf([0, 20_000, 1_000_000]) }
    const moments: string[] = []
    for (let number = 1; number <= LIVES && totals.kills < KILLS; number++) {
      const clockMs = random.oneOf([0, 0, 0, -3_600_000, 3_600_000, -60_000])
      const isCut = random.below(2) === 0
      const syncMs = isCut ? 5 : random.oneOf([0, 0, 5])
      const moment = momentOf(inFlight, isCut)
      // Draws as many numbers as there are messages and bytes, which differ from run to run.
      const ownRandom = new Random(LIVES * seed + number)
      const repeated = history.repeated((list) => ownRandom.oneOf(list))
      history.begin()
      await live({ path, seed, number, inFlight, retention, ...files, syncMs, clockMs, repeated }, moment, history)
      totals.kills++
      const changed = isCut && existsSync(path) ? cutPower(path, history, ownRandom) : 0
      if (changed > 0) history.isChanged = true
      totals.powerCuts += Number(isCut)
      totals.tailsChanged += changed
      moments.push(`${moment.times} ${moment.report} + ${moment.pauseMs} ms${isCut ? `, cut ${changed}` : ''}`)
    }
    history.begin()
    const log = new LogRecorder()
    const engine = await openFileEngine(retention, { path, log, ...files })
    for (const { level, sentence } of log.entries) history.noteLogged(level, sentence)
    history.check(await readLog(engine))
    await engine.close()
    const { acknowledged, duplicates, checks } = history
    totals.acknowledged += acknowledged
    totals.duplicates += duplicates
    totals.checks += checks
    const text = `run ${run} of seed ${SEED}, ${inFlight} in flight, limit ${limit}, kills at ${moments.join('; ')}`
    broken.push(...history.broken.map((sentence) => `${text}: ${sentence}`))
  }
  t.comment(`seed ${SEED}: ${JSON.stringify(totals)}`)
  t.same(broken.slice(0, 20), [], `${broken.length} broken promises`)
  t.ok(totals.acknowledged > 10 * KILLS, 'messages were acknowledged')
  t.ok(totals.tailsChanged > 0, 'power cuts have changed the ends of segments')
})
