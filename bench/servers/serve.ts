import { stamped } from '../rig/clocks/stamp.ts'
import { appendAll, type Appended, type Appending } from './appending.ts'
import { ownMemory, type Memory } from './memory.ts'
import { Profiler, type Shares } from './profiler.ts'

/** The operations of a server under test; everything else is the same for all servers. */
interface Served {
  port: number
  /** Sends one text message to every connected client. */
  broadcast: (text: string) => unknown
  /** Publishes to a user; resolves with the receipt. */
  append?: (user: string, text: string) => Promise<unknown>
  /** Returns the number of connected clients. */
  clients?: () => number
}

/**
 * Orders to a server: set the text, broadcast it `broadcast` times in one tick, publish it to a user, report the
 * memory, start or stop a profile.
 */
export type Order = { text: string } | { broadcast: number, stamped: boolean } | { append: Appending } | { stats: true } | { profile: 'start' | 'stop' }

/** Messages from a server process. */
export type Answer = { ready: true, port: number } | { appended: Appended } | Memory | { profiling: true } | { shares: Shares } | { failed: string }

/** Reports to the benchmark that the server listens, and then executes its orders. */
export function serve ({ port, broadcast, append = cannotAppend, clients }: Served): void {
  let text = ''
  const profiler = new Profiler()
  process.on('message', (order: Order) => {
    if ('text' in order) text = order.text
    else if ('append' in order) appendAll(order.append, (user) => append(user, text)).then((appended) => answer({ appended }), fail)
    else if ('stats' in order) answer({ ...ownMemory(), ...(clients === undefined ? {} : { clients: clients() }) })
    else if ('profile' in order) void profile(order.profile)
    else send(order.broadcast, order.stamped ? stamped(text) : text)
  })
  process.on('disconnect', () => process.exit())
  answer({ ready: true, port })

  async function profile (what: 'start' | 'stop'): Promise<void> {
    if (what === 'stop') return answer({ shares: await profiler.stop() })
    await profiler.start()
    answer({ profiling: true })
  }

  function send (count: number, payload: string): void {
    const sent: unknown[] = []
    for (let i = 0; i < count; i++) sent.push(broadcast(payload))
    Promise.all(sent).catch(fail)
  }
}

function answer (message: Answer): void {
  process.send?.(message)
}

function fail (error: unknown): void {
  answer({ failed: String(error) })
}

async function cannotAppend (): Promise<never> {
  throw new Error('This server has no users.')
}
