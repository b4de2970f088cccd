import type { Answerer } from '../engine/engine.ts'
import type { FanOut } from './fan-out.ts'
import type { Registry } from './registry.ts'

/** Answers for this node what any node may ask. */
export function createAnswerer (registry: Registry, fanOut: FanOut): Answerer {
  return {
    delivery: ({ offset }) => fanOut.delivery(offset),

    clients: (query) => ({ ...registry.list(query), dropped: fanOut.flusher.counters.dropped }),

    disconnect: ({ address, ...ending }) => {
      const clients = [...registry.match(address)].filter((client) => client.isOpen)
      for (const client of clients) client.close(ending)
      return { disconnected: clients.length }
    }
  }
}
