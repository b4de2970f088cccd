import { stamped } from '../stamp.ts'
import { Profiler, type Shares } from './profiler.ts'

/** What a server under test offers; everything else is the same for all of them. */
export interface Served {
  port: number
  /** Says one text message to every connected client. */
  broadcast: (text: string) => unknown
}

/** What the benchmark asks of a server: remember a text, broadcast it that often in one tick, tell your memory, begin or end a profile. */
export type Order = { say: string } | { broadcast: number, stamped: boolean } | { stats: true } | { profile: 'start' | 'stop' }

/** What a server process answers. */
export type Answer = { ready: true, port: number } | { rss: number } | { profiling: true } | { shares: Shares } | { failed: string }

/** Tells the benchmark that the server listens, and serves its orders from then on. */
export function serve ({ port, broadcast }: Served): void {
  let text = ''
  const profiler = new Profiler()
  process.on('message', (order: Order) => {
    if ('say' in order) text = order.say
    else if ('stats' in order) answer({ rss: residentBytes() })
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
    Promise.all(sent).catch((err: unknown) => answer({ failed: String(err) }))
  }
}

function answer (message: Answer): void {
  process.send?.(message)
}

function residentBytes (): number {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage.rss()
}
