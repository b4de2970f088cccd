// The process that holds all clients. It reports when connections are open and when every client has every message.
import { nowUs } from '../rig/clocks/stamp.ts'
import type { CommonProgress, CommonTask } from '../rig/rig.ts'
import { Client, type ClientOptions } from './client.ts'
import { noteArrival, takeLatencies, type Latencies } from './latencies.ts'
import { post, type Posting } from './requests.ts'

/** Opens one connection per path; counts messages of `minBytes` and more. */
export interface Opening extends Pick<ClientOptions, 'port' | 'protocol' | 'minBytes' | 'isStamped' | 'offersDeflate'> {
  paths: string[]
  concurrency: number
  /** These clients never read, are not counted, and may be disconnected by the server. */
  isFrozen: boolean
}

/** Orders to the load. After `expect`, it reports each time when all clients have that many further messages. */
export type Task = CommonTask | { open: Opening } | { latencies: true } | { post: Posting }

/** Messages from the load; `all`: every client has the expected messages. */
export type Progress = CommonProgress | { all: number, bytes: number, atUs: number } | { latencies: Latencies } | { posted: number }

const clients: Client[] = []
let expected = 0
let reached = 0
let target = 0
let complete = 0
let bytes = 0

process.on('message', (task: Task) => {
  if ('open' in task) open(task.open)
  else if ('expect' in task) expect(task.expect)
  else if ('leave' in task) leave()
  else if ('latencies' in task) tell({ latencies: takeLatencies() })
  else post(task.post).then((posted) => tell({ posted }), (err: unknown) => failed(String(err)))
})
process.on('disconnect', () => process.exit())
tell({ loaded: true })

function open ({ paths, concurrency, isFrozen, ...options }: Opening): void {
  const handlers = isFrozen ? { read: ignore, counted: ignore, failed: ignore } : { read, counted: options.isStamped ? timed : counted, failed }
  let started = 0
  let opened = 0
  for (let i = 0; i < concurrency; i++) next()

  function next (): void {
    const path = paths[started]
    if (path === undefined) return
    started++
    const client = new Client({ ...options, ...handlers, path, opened: done })
    client.received = reached // as if it had been connected from the beginning
    if (!isFrozen) clients.push(client)
  }

  function done (client: Client): void {
    if (isFrozen) client.freeze()
    opened++
    if (opened === paths.length) tell({ opened })
    next()
  }
}

function expect (count: number): void {
  expected = count
  target = reached + expected
  bytes = 0
  tell({ expecting: count })
}

function leave (): void {
  const all = clients.splice(0)
  for (const client of all) client.leave()
  complete = 0
  tell({ left: all.length })
}

function read (size: number): void {
  bytes += size
}

function timed (client: Client, sentUs: number): void {
  noteArrival(sentUs)
  counted(client)
}

function counted (client: Client): void {
  if (expected === 0) return
  client.received++
  if (client.received > target) return failed('A client received more messages than were sent.')
  if (client.received !== target || ++complete < clients.length) return
  complete = 0
  reached = target
  target += expected
  tell({ all: expected, bytes, atUs: nowUs() })
  bytes = 0
}

function failed (reason: string): void {
  tell({ failed: reason })
}

function tell (progress: Progress): void {
  process.send?.(progress)
}

function ignore (): void {}
