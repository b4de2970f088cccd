// A service in a process of its own, so that the memory is measured alone. The first argument is its configuration as
// JSON. Commands arrive as messages of the parent process; each reply has the id of the command.

import { existsSync, readdirSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify from 'fastify'
import { app, serverOptions } from '../../app.ts'
import { completeConfig } from '../../services/config/load.ts'
import type { ConfigInput } from '../../services/config/input.ts'
import type { Receipt } from '../../services/model/message.ts'
import { compose, type Numbered } from './numbered.ts'

/** A message to all clients, or to each of some users. */
export interface TestMessage extends Numbered {
  readonly users?: readonly string[]
  readonly conflate?: string
}

/**
 * A command of the test. `isAwaited`: each message waits for the receipt of the previous message; otherwise all are
 * published in one tick.
 */
export type Command = { readonly id: number } & (
  | { readonly kind: 'publish', readonly messages: readonly TestMessage[], readonly isAwaited: boolean }
  | { readonly kind: 'measure' }
  | { readonly kind: 'count' }
  | { readonly kind: 'close' }
)

/** Number of open sockets and clients of the service. */
export interface Counts {
  readonly sockets: number
  readonly clients: number
}

/** Open sockets and clients of the service, and the memory after a garbage collection. */
export interface Measures extends Counts {
  readonly usedBytes: number
  /** Resources that keep the process running, such as sockets and timers, sorted. */
  readonly resources: readonly string[]
  /** Open file descriptors; 0 where the system has no list of them. */
  readonly descriptors: number
  /** Frames dropped because a client was over its limit. */
  readonly dropped: number
}

const config = completeConfig(JSON.parse(process.argv[2] ?? '{}') as ConfigInput)
const fastify = Fastify(serverOptions(config))
await fastify.register(app, { config })

process.on('message', (command: Command) => {
  // A command that fails ends the process and thereby the test.
  void execute(command).then((reply) => process.send?.({ id: command.id, ...reply }))
})
// Without this listener, the process continues when the test has died.
process.on('disconnect', exitWithTest)
process.send?.({ id: 0, origin: await fastify.listen({ port: 0, host: '127.0.0.1' }) })

function exitWithTest (): void {
  process.exit(1)
}

async function execute (command: Command): Promise<object> {
  switch (command.kind) {
    case 'publish': return publish(command.messages, command.isAwaited)
    case 'measure': return measure()
    case 'count': return count()
    case 'close': {
      await fastify.close()
      process.off('disconnect', exitWithTest)
      // From here on, only resources that the service left open keep the process alive.
      setImmediate(() => process.disconnect())
      return {}
    }
  }
}

/** Publishes messages; resolves with the number of matched clients of the broadcast that matched the fewest. */
async function publish (messages: readonly TestMessage[], isAwaited: boolean): Promise<{ fewestMatched: number }> {
  const receipts: Array<Promise<Receipt>> = []
  for (const message of messages) {
    const { users, conflate } = message
    const options = conflate === undefined ? {} : { conflate }
    const data = compose(message)
    const sent = users === undefined
      ? fastify.hub.broadcast(data, options)
      : fastify.hub.send(users.map((user) => ({ user })), data, options)
    if (isAwaited) await sent
    if (users === undefined) receipts.push(sent as Promise<Receipt>)
  }
  return { fewestMatched: Math.min(...(await Promise.all(receipts)).map(({ matched }) => matched)) }
}

async function measure (): Promise<Measures> {
  // The second collection frees the Buffers whose owners were freed by the first.
  for (let time = 0; time < 2; time++) {
    globalThis.gc?.()
    await nextTurn()
  }
  const { heapUsed, external } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo().sort()
  return { ...count(), usedBytes: heapUsed + external, resources, descriptors: descriptors(), dropped: fastify.hub.counters.dropped }
}

function descriptors (): number {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0
}

function count (): Counts {
  const sockets = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  return { sockets, clients: fastify.hub.size }
}
