// A service in a process of its own, so that its memory is measured alone. It gets its configuration as JSON in its first
// argument and orders as messages, and answers each order with the order's id.

import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify from 'fastify'
import { app, serverOptions } from '../../app.ts'
import { completeConfig } from '../../services/config/load.ts'
import type { ConfigInput } from '../../services/config/input.ts'
import type { Receipt } from '../../services/model/message.ts'
import { compose, type Numbered } from './numbered.ts'

/** A message to everyone, or one to each of some users. */
export interface TestMessage extends Numbered {
  readonly users?: readonly string[]
  readonly conflate?: string
}

/** What the test asks for. `isAwaited`: each message waits for the receipt of the one before it; otherwise all are said in one tick. */
export type Command = { readonly id: number } & (
  | { readonly kind: 'publish', readonly messages: readonly TestMessage[], readonly isAwaited: boolean }
  | { readonly kind: 'measure' }
  | { readonly kind: 'count' }
  | { readonly kind: 'close' }
)

/** What the service has open. */
export interface Counts {
  readonly sockets: number
  readonly clients: number
}

/** What the service has open, and its memory after a garbage collection. */
export interface Measures extends Counts {
  readonly usedBytes: number
  /** Frames lost because a client was over its limit. */
  readonly dropped: number
}

const config = completeConfig(JSON.parse(process.argv[2] ?? '{}') as ConfigInput)
const fastify = Fastify(serverOptions(config))
await fastify.register(app, { config })

process.on('message', (command: Command) => {
  // An order that cannot be obeyed ends the process, and with it the test.
  void execute(command).then((reply) => process.send?.({ id: command.id, ...reply }))
})
// Nobody would end it when the test has died.
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
      // Nothing else may hold the process from here on.
      setImmediate(() => process.disconnect())
      return {}
    }
  }
}

/** Answers how many clients the broadcast that reached the fewestMatched was for. */
async function publish (messages: readonly TestMessage[], isAwaited: boolean): Promise<{ fewestMatched: number }> {
  const receipts: Array<Promise<Receipt>> = []
  for (const message of messages) {
    const { users, conflate } = message
    const options = conflate === undefined ? {} : { conflate }
    const sent = users === undefined ? fastify.hub.broadcast(compose(message), options) : fastify.hub.send(users.map((user) => ({ user })), compose(message), options)
    if (isAwaited) await sent
    if (users === undefined) receipts.push(sent as Promise<Receipt>)
  }
  return { fewestMatched: Math.min(...(await Promise.all(receipts)).map(({ matched }) => matched)) }
}

async function measure (): Promise<Measures> {
  // The second time takes the Buffers whose owners went the first time.
  for (let time = 0; time < 2; time++) {
    globalThis.gc?.()
    await nextTurn()
  }
  const { heapUsed, external } = process.memoryUsage()
  return { ...count(), usedBytes: heapUsed + external, dropped: fastify.hub.counters.dropped }
}

function count (): Counts {
  const sockets = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  return { sockets, clients: fastify.hub.size }
}
