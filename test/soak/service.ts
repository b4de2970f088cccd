import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import type { ConfigInput } from '../../services/config/input.ts'
import { program } from '../support/program.ts'
import { SECRET, token } from '../support/helper.ts'
import { rawRequest } from '../support/raw-client.ts'
import type { Counts, Measures, Command, TestMessage } from './server.ts'

const { path, execArgv } = program('server.ts', import.meta.url)
/** The environment without the variables of the service, of Node and of the test runner. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(HUB_|NODE_|TAP_|_TAPJS)/.test(name))
)

type CommandWithoutId<O> = O extends Command ? Omit<O, 'id'> : never
interface PendingReply { readonly resolve: (reply: object) => void, readonly reject: (error: Error) => void }

/** Fields of a page of GET /clients that the soak reads. */
export interface ClientsPage {
  readonly total: number
  readonly clients: ReadonlyArray<{ readonly user: string, readonly dropped: number, readonly behind: boolean }>
}

/** A service in a process of its own; the end of the test kills the process. */
export class Service {
  /** Output of the service: errors. */
  output = ''
  port = 0
  readonly #child: ChildProcess
  readonly #pendingReplies = new Map<number, PendingReply>()
  #ids = 0

  constructor (child: ChildProcess) {
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => { this.output += chunk.toString() })
    }
    child.on('message', (reply: { id: number }) => {
      this.#pendingReplies.get(reply.id)?.resolve(reply)
      this.#pendingReplies.delete(reply.id)
    })
    child.on('close', (code, signal) => {
      const error = new Error(`The service ended with ${signal ?? code}: ${this.output}`)
      for (const { reject } of this.#pendingReplies.values()) reject(error)
      this.#pendingReplies.clear()
    })
  }

  static async start (t: Test, input: ConfigInput): Promise<Service> {
    const config: ConfigInput = { ...input, auth: { secret: SECRET, ...input.auth }, logger: { level: 'error' } }
    const child = fork(path, [JSON.stringify(config)], {
      execArgv: [...execArgv, '--expose-gc'],
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc']
    })
    t.teardown(() => child.kill('SIGKILL'))
    const service = new Service(child)
    const { origin } = await service.#reply(0) as { origin: string }
    service.port = Number(new URL(origin).port)
    return service
  }

  get url (): string {
    return `ws://127.0.0.1:${this.port}/admin/ws`
  }

  /** Publishes messages; resolves with the number of matched clients of the broadcast that matched the fewest. */
  async publish (messages: readonly TestMessage[], isAwaited: boolean): Promise<number> {
    return (await this.#execute({ kind: 'publish', messages, isAwaited }) as { fewestMatched: number }).fewestMatched
  }

  async measure (): Promise<Measures> {
    return await this.#execute({ kind: 'measure' }) as Measures
  }

  /** Counts without a garbage collection, for a test that polls. */
  async count (): Promise<Counts> {
    return await this.#execute({ kind: 'count' }) as Counts
  }

  /** Requests GET /clients on a connection that is not kept. */
  async clients (query = ''): Promise<ClientsPage> {
    const authorization = `Bearer ${token({ user: 'operator', roles: ['admin'] })}`
    const head = [
      `GET /clients${query} HTTP/1.1`,
      'Host: hub',
      'Connection: close',
      `Authorization: ${authorization}`,
      '\r\n'
    ].join('\r\n')
    const [, body = ''] = (await rawRequest(this.port, head)).split('\r\n\r\n', 2)
    return JSON.parse(body) as ClientsPage
  }

  /**
   * Closes the service; resolves with the exit code or signal of the process. The process ends only when the service
   * has left no resource open.
   */
  async close (): Promise<{ code: number | null, signal: string | null }> {
    const exit = once(this.#child, 'exit') as Promise<[number | null, string | null]>
    await this.#execute({ kind: 'close' })
    const [code, signal] = await exit
    return { code, signal }
  }

  #execute (command: CommandWithoutId<Command>): Promise<object> {
    const id = ++this.#ids
    this.#child.send({ ...command, id })
    return this.#reply(id)
  }

  #reply (id: number): Promise<object> {
    return new Promise((resolve, reject) => { this.#pendingReplies.set(id, { resolve, reject }) })
  }
}
