import type { Environment } from './env.ts'
import { formatSize } from './units.ts'

/** A checked value and where it was set; no place means that it is the default. */
export interface Chosen {
  value: unknown
  place?: string
}

/** Checks what one key alone cannot tell; keys that are missing because they have a fault of their own are left out. */
export function checkRules (chosen: ReadonlyMap<string, Chosen>, env: Environment): string[] {
  return [
    ...checkDemo(chosen.get('auth.mode'), env),
    ...checkQueue(chosen.get('websocket.maxQueueSize'), chosen.get('websocket.maxMessageSize')),
    ...['websocket.pingPeriod', 'websocket.writeDeadline'].flatMap((key) => checkInterval(chosen.get('websocket.flushInterval'), chosen.get(key), key))
  ]
}

function checkDemo (mode: Chosen | undefined, env: Environment): string[] {
  if (mode?.value !== 'demo' || env.NODE_ENV !== 'production') return []
  return [`${mode.place}: demo takes any token and is refused when NODE_ENV is production; use jwt`]
}

function checkQueue (queue: Chosen | undefined, message: Chosen | undefined): string[] {
  if (typeof queue?.value !== 'number' || typeof message?.value !== 'number' || queue.value >= message.value) return []
  const [queued, largest] = [formatSize(queue.value), formatSize(message.value)]
  return queue.place === undefined
    ? [`${message.place}: must be at most websocket.maxQueueSize (${queued}), not ${largest}`]
    : [`${queue.place}: must be at least websocket.maxMessageSize (${largest}), not ${queued}`]
}

function checkInterval (interval: Chosen | undefined, period: Chosen | undefined, key: string): string[] {
  if (typeof interval?.value !== 'number' || typeof period?.value !== 'number' || interval.value <= period.value / 2) return []
  return [`${interval.place ?? 'websocket.flushInterval'}: must be at most half of ${key} (${period.value} ms), not ${interval.value} ms, or clients would seem lost while they wait`]
}
