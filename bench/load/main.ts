// The process that holds all clients. It says when connections are open and when every client has every message.
import { Client, type ClientOptions } from './client.ts'

/** Opens one connection per path; counts messages of `minBytes` and more. */
export interface Opening extends Pick<ClientOptions, 'port' | 'protocol' | 'minBytes'> {
  paths: string[]
  concurrency: number
}

/** What the benchmark asks of the load: open connections, or expect that many messages per client, again and again. */
export type Task = { open: Opening } | { expect: number }

/** What the load answers: all open; every client has the expected messages; something went wrong. */
export type Progress = { loaded: true } | { opened: number } | { all: number } | { failed: string }

const clients: Client[] = []
let expected = 0
let reached = 0
let target = 0
let complete = 0

process.on('message', (task: Task) => {
  if ('open' in task) return open(task.open)
  expected = task.expect
  target = reached + expected
})
process.on('disconnect', () => process.exit())
tell({ loaded: true })

function open ({ paths, concurrency, ...options }: Opening): void {
  let started = 0
  let opened = 0
  for (let i = 0; i < concurrency; i++) next()

  function next (): void {
    const path = paths[started]
    if (path === undefined) return
    started++
    clients.push(new Client({ ...options, path, opened: done, counted, failed }))
  }

  function done (): void {
    opened++
    if (opened === paths.length) tell({ opened })
    next()
  }
}

function counted (client: Client): void {
  client.received++
  if (client.received > target) return failed('A client received more messages than were sent.')
  if (client.received !== target || ++complete < clients.length) return
  complete = 0
  reached = target
  target += expected
  tell({ all: expected })
}

function failed (reason: string): void {
  tell({ failed: reason })
}

function tell (progress: Progress): void {
  process.send?.(progress)
}
