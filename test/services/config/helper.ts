import { join } from 'node:path'
import type { Test } from 'tap'
import { ConfigError, loadConfig, type LoadedConfig, type Sources } from '../../../services/config/load.ts'
import type { Config } from '../../../services/config/schema.ts'
import { testFolder } from '../../support/test-folder.ts'

/** A text with enough characters for a secret. */
export const secret = 'correct-horse-battery-staple-and-more'

/** The configuration without any source. */
export const defaults: Config = {
  server: { host: '127.0.0.1', port: 20201, keepAliveTimeout: 72_000, trustProxy: false },
  api: true,
  console: true,
  logger: { level: 'info', requests: false },
  auth: { mode: 'jwt', secret: '', issuer: '', audience: '', failuresPerSecond: 100, clockTolerance: 5000 },
  engine: { kind: 'file', path: './data', maxAge: 86_400_000, maxCount: 100_000, maxSize: 1_073_741_824 },
  inbox: { maxAge: 604_800_000, maxCount: 1_000, maxMailboxes: 100_000, maxRedeliveries: 10 },
  idempotency: { window: 120_000 },
  websocket: {
    start: true,
    path: '/admin/ws',
    writeReadBufferSize: 20_480,
    maxMessageSize: 65_535,
    pingPeriod: 20_000,
    heartbeatFailMaxTimes: 4,
    readDeadline: 100_000,
    writeDeadline: 35_000,
    handshakeTimeout: 10_000,
    maxQueueSize: 1_048_576,
    maxQueueWrites: 1_024,
    slowClient: 'catchUp',
    resumeWindow: 120_000,
    actionTimeout: 30_000,
    flushInterval: 0,
    compression: { enabled: false, threshold: 1024, level: 6 },
    maxClients: 10_000,
    maxClientsPerUser: 100,
    messagesPerSecond: 100,
    bytesPerSecond: 16_777_216,
    upgradesPerSecond: 500,
    allowedOrigins: [],
    drain: { grace: 10_000, batch: 500 }
  },
  sse: { start: true, path: '/admin/events', retry: 2_000 },
  compat: { ginSkeleton: 'off', ginSkeletonCode: '200', ginSkeletonRefusal: 'legacy-400-json', ginServer: 'off', learnGin: 'off', pushMessage: 'off' }
}

/** Every key with a value that is not its default. */
export const unusual: Config = {
  server: { host: '::', port: 0, keepAliveTimeout: 1_500, trustProxy: '10.0.0.0/8, loopback, fd00::1' },
  api: false,
  console: false,
  logger: { level: 'silent', requests: true },
  auth: { mode: 'demo', secret: `# "it's": ${secret}\n\u2028!`, issuer: '20', audience: 'true', failuresPerSecond: 0, clockTolerance: 5000 },
  engine: { kind: 'memory', path: '/var/lib/hub', maxAge: 1_500, maxCount: 1, maxSize: 1_000 },
  inbox: { maxAge: 1, maxCount: 2, maxMailboxes: 3, maxRedeliveries: 4 },
  idempotency: { window: 172_800_000 },
  websocket: {
    start: false,
    path: '/',
    writeReadBufferSize: 1_024,
    maxMessageSize: 16_777_216,
    pingPeriod: 10,
    heartbeatFailMaxTimes: 0,
    readDeadline: 0,
    writeDeadline: 2,
    handshakeTimeout: 2_073_600_000,
    maxQueueSize: 17_179_869_184,
    maxQueueWrites: 7,
    slowClient: 'latest',
    resumeWindow: 1,
    actionTimeout: 0,
    flushInterval: 1,
    compression: { enabled: true, threshold: 0, level: 1 },
    maxClients: 0,
    maxClientsPerUser: 0,
    messagesPerSecond: 0,
    bytesPerSecond: 3,
    upgradesPerSecond: 0,
    allowedOrigins: ['https://app.example.com', 'http://localhost:3000', 'capacitor://localhost', '*'],
    drain: { grace: 0, batch: 1 }
  },
  sse: { start: false, path: '/events', retry: 1 },
  compat: { ginSkeleton: 'open', ginSkeletonCode: '2000', ginSkeletonRefusal: 'empty-200', ginServer: 'token', learnGin: 'open', pushMessage: 'token' }
}

/** Loads without the environment of the test run. */
export function load (sources: Sources): LoadedConfig {
  return loadConfig({ env: {}, ...sources })
}

/** Returns the faults of a ConfigError that `make` throws; an empty list when `make` succeeds. */
export function faultsOf (make: () => unknown): readonly string[] {
  try {
    make()
  } catch (err) {
    if (err instanceof ConfigError) return err.faults
    throw err
  }
  return []
}

/** The faults of a config.yml with these lines. */
export function faultsOfText (...lines: string[]): readonly string[] {
  return faultsOf(() => load({ text: lines.join('\n') }))
}

/** The faults of these variables. */
export function faultsOfEnv (env: Sources['env']): readonly string[] {
  return faultsOf(() => load({ env }))
}

/** Writes a file that exists until the end of the test or the next call. */
export function fileWith (t: Test, name: string, text: string): string {
  return join(testFolder(t, { [name]: text }), name)
}
