import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { ConfigInput } from '../../services/config/input.ts'
import { packagePath } from '../../services/cli/package.ts'
import { SECRET, token } from '../support/helper.ts'
import type { Random } from '../support/random.ts'

const PROGRAM = packagePath('dist', 'server.js')
/**
 * Ports below the range of outgoing connections: otherwise such a connection could take the port while the hub is down.
 */
const PORTS = { first: 20_000, last: 32_000 }
/** Level of log entries that report an error inside the hub. */
const ERROR_LEVEL = 50
/** Timeout of a start. */
const START_MS = 20_000

/** The real program in a process of its own; the port and the folder outlive the process. */
export class HubProcess {
  readonly port: number
  readonly folder: string
  /** Errors in the log, output on stderr, and unexpected ends. */
  readonly faults: string[] = []
  readonly counts = { starts: 0, kills: 0, killsWhileStarting: 0, terminations: 0, suspensions: 0 }
  /** Times of the kills, in ms since the epoch. */
  readonly killedAt: number[] = []
  #child: ChildProcess | null = null
  #hasStarted = false
  #shouldRun = false

  private constructor (port: number, folder: string) {
    this.port = port
    this.folder = folder
  }

  /** Prepares a hub without starting it; the end of the test kills the hub and removes the folder. */
  static async prepare (t: Test, random: Random, config: ConfigInput): Promise<HubProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'fastify-hub-durability-'))
    const hub = new HubProcess(await freePort(random), folder)
    t.teardown(async () => {
      await hub.end('SIGKILL')
      await rm(folder, { recursive: true })
    })
    // YAML includes JSON.
    const logger = { level: 'warn' }
    const file = { ...config, auth: { secret: SECRET }, server: { port: hub.port }, logger }
    await writeFile(join(folder, 'config.yml'), JSON.stringify(file))
    return hub
  }

  get pid (): number {
    return this.#child?.pid ?? 0
  }

  get isRunning (): boolean {
    return this.#hasStarted
  }

  get origin (): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Resolves with true when the hub accepts clients, with false after a kill during the start. */
  async start (): Promise<boolean> {
    if (this.#child !== null) return this.#hasStarted
    this.counts.starts++
    const isKept = ([name]: [string, unknown]) => !/^(HUB_|NODE_|TAP_|_TAPJS)/.test(name)
    const env = Object.fromEntries(Object.entries(process.env).filter(isKept))
    const child = spawn(process.execPath, [PROGRAM], {
      cwd: this.folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child = child
    this.#shouldRun = true
    const exited = once(child, 'close').then(([code, signal]: unknown[]) => {
      this.#child = null
      this.#hasStarted = false
      if (this.#shouldRun) this.faults.push(`the hub ended by itself, with ${String(signal ?? code)}`)
      return false
    })
    createInterface({ input: child.stdout }).on('line', (line) => { this.#read(line) })
    const started = new Promise<boolean>((resolve) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        // The hub prints its banner when it listens. The lines of the banner are empty or indented.
        if (line.includes('WebSocket  ws:')) resolve(true)
        if (!/^( {2}|$)/.test(line)) this.#addFault(`the hub wrote to stderr: ${line}`)
      })
    })
    const late = setTimeout(() => { this.#addFault(`the hub did not start within ${START_MS} ms`) }, START_MS)
    this.#hasStarted = await Promise.race([started, exited])
    clearTimeout(late)
    return this.#hasStarted
  }

  /** Ends the hub; resolves when the process has ended. A second call may end it with a stronger signal. */
  async end (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === null) return
    if (signal === 'SIGTERM') this.counts.terminations++
    else {
      this.counts.kills++
      if (!this.#hasStarted) this.counts.killsWhileStarting++
      this.killedAt.push(Date.now())
    }
    this.#shouldRun = false
    const closed = once(child, 'close') as Promise<[number | null, string | null]>
    child.kill(signal)
    const [code, reason] = await closed
    if (code === 0 || reason === 'SIGKILL') return
    this.#addFault(`the hub ended with ${String(reason ?? code)} after ${signal}`)
  }

  /** Suspends the process, as if the machine had no time for it, until the returned function is called. */
  suspend (): () => void {
    const child = this.#child
    this.counts.suspensions++
    child?.kill('SIGSTOP')
    return () => { child?.kill('SIGCONT') }
  }

  /** Requests the REST API as an operator; rejects while the hub is down. */
  async api (method: string, path: string, body?: object): Promise<{ status: number, body: Record<string, unknown> }> {
    const headers = new Headers({ authorization: `Bearer ${OPERATOR}` })
    if (body !== undefined) headers.set('content-type', 'application/json')
    const response = await fetch(this.origin + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, body: await response.json() as Record<string, unknown> }
  }

  #read (line: string): void {
    if (!line.startsWith('{')) return
    const entry = JSON.parse(line) as { level: number, msg: string, err?: { message: string, stack: string } }
    if (entry.level >= ERROR_LEVEL) this.#addFault(`the hub logged an error: ${line}`)
  }

  #addFault (what: string): void {
    // The first faults show the cause.
    if (this.faults.length < 20) this.faults.push(what)
  }
}

export const OPERATOR = token({ user: 'operator', roles: ['admin'], ttlSeconds: 7 * 24 * 3600 })

/** Returns a port below the range of outgoing connections on which no program listens. */
export async function freePort (random: Random): Promise<number> {
  for (;;) {
    const port = random.between(PORTS.first, PORTS.last)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
