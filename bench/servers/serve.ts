/** What a server under test offers; everything else is the same for all of them. */
export interface Served {
  port: number
  /** Says one text message to every connected client. */
  broadcast: (payload: string) => unknown
}

/** What the benchmark asks of a server process. */
export type Order = { broadcast: { count: number, payload: string } } | { stats: true }

/** What a server process answers. */
export type Answer = { ready: true, port: number } | { rss: number } | { failed: string }

/** Tells the benchmark that the server listens, and serves its orders from then on. */
export function serve ({ port, broadcast }: Served): void {
  process.on('message', (order: Order) => {
    if ('stats' in order) return answer({ rss: residentBytes() })
    const { count, payload } = order.broadcast
    const sent: unknown[] = []
    for (let i = 0; i < count; i++) sent.push(broadcast(payload))
    Promise.all(sent).catch((err: unknown) => answer({ failed: String(err) }))
  })
  process.on('disconnect', () => process.exit())
  answer({ ready: true, port })
}

function answer (message: Answer): void {
  process.send?.(message)
}

function residentBytes (): number {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage.rss()
}
