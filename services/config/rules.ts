import type { Environment } from './sources/env.ts'
import { formatSize } from './units.ts'

/**
 * A value that its field accepts, and the location where the value is set; without a location, the value is the
 * default.
 */
export interface CheckedValue {
  value: unknown
  location?: string
}

/**
 * Checks the rules that concern more than one key, and returns the faults. A key with a fault of its own is missing in
 * `values`, and rules about the key are skipped.
 */
export function checkRules (values: ReadonlyMap<string, CheckedValue>, env: Environment): string[] {
  const livePaths = [values.get('websocket.path'), values.get('sse.path')]
  const flushInterval = values.get('websocket.flushInterval')
  return [
    ...checkDemoMode(values.get('auth.mode'), env),
    ...checkQueueSize(values.get('websocket.maxQueueSize'), values.get('websocket.maxMessageSize')),
    ...checkSamePath(values.get('websocket.path'), values.get('sse.path'), values.get('sse.start')),
    ...checkApiPaths(values.get('api'), livePaths),
    ...COMPAT_ENDPOINTS.flatMap(({ key, path }) => checkCompatEndpoint(values.get(key), path, livePaths)),
    ...checkFlushInterval(flushInterval, values.get('websocket.pingPeriod'), 'websocket.pingPeriod'),
    ...checkFlushInterval(flushInterval, values.get('websocket.writeDeadline'), 'websocket.writeDeadline')
  ]
}

/** The fixed paths of GET routes of the REST API that could collide with a configured path. */
const API_PATHS = ['/clients', '/groups', '/healthz', '/readyz']

/** The fixed paths of endpoints for older services that could collide with a configured path. */
const COMPAT_ENDPOINTS = [
  { key: 'compat.ginServer', path: '/ws' },
  { key: 'compat.learnGin', path: '/echo' },
  { key: 'compat.learnGin', path: '/sendall' },
  { key: 'compat.pushMessage', path: '/getPushNews' }
]

type Optional = CheckedValue | undefined

function checkCompatEndpoint (mode: Optional, path: string, livePaths: readonly Optional[]): string[] {
  if (mode === undefined || mode.value === 'off') return []
  return livePaths.flatMap((configured) => {
    if (configured?.value !== path) return []
    const reason = `${path} is the address of an endpoint that ${mode.location} switches on`
    return [`${configured.location}: ${reason}; choose another path`]
  })
}

function checkSamePath (websocket: Optional, sse: Optional, hasSse: Optional): string[] {
  if (websocket === undefined || sse === undefined || websocket.value !== sse.value || hasSse?.value !== true) return []
  return [`${sse.location ?? websocket.location}: websocket.path and sse.path are the same (${String(sse.value)}); choose two paths`]
}

function checkApiPaths (api: Optional, livePaths: readonly Optional[]): string[] {
  if (api?.value !== true) return []
  return livePaths.flatMap((configured) => {
    if (typeof configured?.value !== 'string' || !API_PATHS.includes(configured.value)) return []
    return [`${configured.location}: ${configured.value} is the address of a route that api switches on; choose another path`]
  })
}

function checkDemoMode (mode: Optional, env: Environment): string[] {
  if (mode?.value !== 'demo' || env.NODE_ENV !== 'production') return []
  return [`${mode.location}: demo takes any token and is refused when NODE_ENV is production; use jwt`]
}

function checkQueueSize (queue: Optional, message: Optional): string[] {
  if (typeof queue?.value !== 'number' || typeof message?.value !== 'number' || queue.value >= message.value) return []
  const [queueSize, messageSize] = [formatSize(queue.value), formatSize(message.value)]
  return queue.location === undefined
    ? [`${message.location}: must be at most websocket.maxQueueSize (${queueSize}), not ${messageSize}`]
    : [`${queue.location}: must be at least websocket.maxMessageSize (${messageSize}), not ${queueSize}`]
}

function checkFlushInterval (interval: Optional, period: Optional, key: string): string[] {
  if (typeof interval?.value !== 'number' || typeof period?.value !== 'number') return []
  if (interval.value <= period.value / 2) return []
  const location = interval.location ?? 'websocket.flushInterval'
  const rule = `must be at most half of ${key} (${period.value} ms), not ${interval.value} ms`
  return [`${location}: ${rule}, or clients would seem lost while they wait`]
}
