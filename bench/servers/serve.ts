import { stamped } from '../rig/clocks/stamp.ts'
import { appendAll, type Appended, type Appending } from './appending.ts'
import { ownMemory, type Memory } from './memory.ts'
import { Profiler, type Shares } from './profiler.ts'

/** What a server under test offers; everything else is the same for all of them. */
interface Served {
  port: number
  /** Says one text message to every connected client. */
  broadcast: (text: string) => unknown
  /** Says it to a user; resolves with the receipt. */
  append?: (user: string, text: string) => Promise<unknown>
  /** How many clients are connected. */
  clients?: () => number
}

/** What the benchmark asks of a server: remember a text, broadcast it that often in one tick, say it to a user, tell your memory, begin or end a profile. */
export type Order = { say: string } | { broadcast: number, stamped: boolean } | { append: Appending } | { stats: true } | { profile: 'start' | 'stop' }

/** What a server process answers. */
export type Answer = { ready: true, port: number } | { appended: Appended } | Memory | { profiling: true } | { shares: Shares } | { failed: string }

/** Tells the benchmark that the server listens, and serves its orders from then on. */
export function serve ({ port, broadcast, append = cannotAppend, clients }: Served): void {
  let text = ''
  const profiler = new Profiler()
  process.on('message', (order: Order) => {
    if ('say' in order) text = order.say
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
  throw new Error('This server knows no users.')
}
