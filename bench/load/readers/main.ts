// The process that holds an audience: clients that lose their connections, reconnect, and count their messages.
import type { Protocol } from '../../peers.ts'
import { nowUs } from '../../rig/clocks/stamp.ts'
import type { CommonProgress, CommonTask } from '../../rig/rig.ts'
import { Line } from './line.ts'
import { Member, noTally, readersOf, type Cut, type Tally } from './member.ts'

const TURN_MS = 10

/** Orders to the audience. */
export type Task =
  | CommonTask
  /** Creates a reader for each path and connects all readers; `withLines`: connections can be cut silently. */
  | { open: { port: number, protocol: Protocol, paths: string[], withLines: boolean } }
  /** Reconnects all readers at once. */
  | { comeBack: true }
  /** Cuts every connection once per period, one after another; 0 stops. */
  | { cutEveryMs: number, cut: Cut }
  /** Requests the counts since the last request. */
  | { tally: true }

/** Messages from the audience. */
export type Progress = CommonProgress | { complete: number, atUs: number } | { tally: Tally }

const members: Member[] = []
let open = 0
let complete = 0
let awaited: 'opened' | 'left' | undefined
let cutting: NodeJS.Timeout | undefined

process.on('message', (task: Task) => {
  if ('open' in task) gather(task.open).catch((err: unknown) => tell({ failed: String(err) }))
  else if ('expect' in task) expect(task.expect)
  else if ('leave' in task) leave()
  else if ('comeBack' in task) comeBack()
  else if ('cutEveryMs' in task) cutEvery(task.cutEveryMs, task.cut)
  else tell({ tally: takeTally() })
})
process.on('disconnect', () => process.exit())
tell({ loaded: true })

async function gather ({ port, protocol, paths, withLines }: Extract<Task, { open: object }>['open']): Promise<void> {
  const create = await readersOf(protocol)
  for (const path of paths) {
    const line = withLines ? new Line(port) : undefined
    const options = { port: await line?.open() ?? port, path }
    members.push(new Member({ create: (events) => create(options, events), line }, { opened, lost, complete: isComplete }))
  }
  comeBack()
}

function comeBack (): void {
  awaited = 'opened'
  for (const member of members) member.come()
}

function leave (): void {
  awaited = 'left'
  for (const member of members) member.leave()
}

function opened (): void {
  open++
  if (open === members.length) reached('opened')
}

function lost (): void {
  open--
  if (open === 0) reached('left')
}

function reached (what: typeof awaited): void {
  if (awaited !== what) return
  awaited = undefined
  tell(what === 'opened' ? { opened: members.length } : { left: members.length })
}

function expect (count: number): void {
  complete = 0
  for (const member of members) member.expect(count)
  tell({ expecting: count })
}

function isComplete (): void {
  if (++complete === members.length) tell({ complete: members.length, atUs: nowUs() })
}

function cutEvery (everyMs: number, cut: Cut): void {
  clearInterval(cutting)
  if (everyMs === 0) return
  const start = performance.now()
  let turn = 0
  cutting = setInterval(() => {
    const due = (performance.now() - start) * members.length / everyMs
    for (; turn < due; turn++) members[turn % members.length]?.cut(cut)
  }, TURN_MS)
}

function takeTally (): Tally {
  const tallies = members.map((member) => member.takeTally())
  const keys = Object.keys(noTally()) as Array<keyof Tally>
  const sums = keys.map((key) => [key, tallies.reduce((all, tally) => all + tally[key], 0)])
  return Object.fromEntries(sums) as Tally
}

function tell (progress: Progress): void {
  process.send?.(progress)
}
