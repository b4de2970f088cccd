import type { Environment } from './sources/env.ts'
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
    ...DOORS.flatMap(({ key, path }) => checkDoor(chosen.get(key), path, [chosen.get('websocket.path'), chosen.get('sse.path')])),
    ...['websocket.pingPeriod', 'websocket.writeDeadline'].flatMap((key) => checkInterval(chosen.get('websocket.flushInterval'), chosen.get(key), key))
  ]
}

/** The paths of doors for older services that a path of the configuration may be taken for. */
const DOORS = [{ key: 'compat.ginServer', path: '/ws' }, { key: 'compat.learnGin', path: '/echo' }, { key: 'compat.learnGin', path: '/sendall' }, { key: 'compat.pushMessage', path: '/getPushNews' }]

function checkDoor (mode: Chosen | undefined, path: string, taken: ReadonlyArray<Chosen | undefined>): string[] {
  if (mode === undefined || mode.value === 'off') return []
  return taken.flatMap((one) => one?.value === path ? [`${one.place}: ${path} is the address of a door that ${mode.place} switches on; choose another path`] : [])
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
