import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { app, serverOptions } from '../../app.ts'
import { completeConfig } from '../../services/config/load.ts'
import type { ConfigInput } from '../../services/config/input.ts'
import { createToken, type TokenClaims } from '../../services/auth/token.ts'

export { until } from './until.ts'

/** Options of a hub that writes no files. */
export const IN_MEMORY = { engine: { kind: 'memory' } } as const
export const SECRET = 'a secret of the tests, long enough for HS256'
export const GREETING = '{"code":2000,"msg":"ws连接成功","data":""}'
export const ECHO = '服务器已经收到了你的消息==>'
const TIMEOUT_MS = 10_000

/** A token for the service under test, by default of the user alice without a role. */
export function token ({ user = 'alice', roles = [], groups = [], ttlSeconds = 3600 }: Partial<TokenClaims> = {}): string {
  return createToken({ secret: SECRET }, { user, roles, groups, ttlSeconds })
}

/** Collects the lines of a logger, each parsed as an object. */
export class LogLines extends Writable {
  readonly lines: Array<Record<string, unknown>> = []
  text = ''

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    for (const line of chunk.toString().split('\n')) {
      if (line !== '') this.lines.push(JSON.parse(line) as Record<string, unknown>)
    }
    done()
  }
}

/** Builds the service without listening. The end of the test closes the service. */
export async function build (t: Test, input: ConfigInput = {}): Promise<{ app: FastifyInstance, log: LogLines }> {
  const config = completeConfig({ ...input, engine: { kind: 'memory', ...input.engine }, auth: { secret: SECRET, ...input.auth } })
  const log = new LogLines()
  const options = serverOptions(config)
  const fastify = Fastify({ ...options, logger: { ...options.logger, stream: log } })
  await fastify.register(app, { config })
  t.teardown(() => fastify.close())
  return { app: fastify, log }
}

/** Builds the service and listens on a free port. */
export async function listen (t: Test, input: ConfigInput = {}) {
  const { app: fastify, log } = await build(t, input)
  const sockets = new Set<Socket>()
  fastify.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  /** Destroys the sockets of all clients, as a failing network does. */
  const cut = (): void => { for (const socket of sockets) socket.destroy() }
  const origin = await fastify.listen({ port: 0, host: '127.0.0.1' })
  const { port } = new URL(origin)
  return { app: fastify, log, origin, port: Number(port), url: `${origin.replace('http', 'ws')}/admin/ws`, token: token(), cut }
}

/** A WebSocket client that queues received frames until `next()` takes them. */
export class TestClient {
  readonly socket: WebSocket
  readonly #frames: Array<string | Buffer> = []
  #wake: () => void = () => {}

  constructor (socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data, isBinary) => {
      this.#frames.push(isBinary ? data as Buffer : (data as Buffer).toString())
      this.#wake()
    })
    socket.on('error', () => {}) // Tests check the close code instead.
  }

  send (data: string | Buffer): void {
    this.socket.send(data)
  }

  /** Resolves with the next frame. */
  async next (): Promise<string | Buffer> {
    const deadline = Date.now() + TIMEOUT_MS
    for (let frame = this.#frames.shift(); ; frame = this.#frames.shift()) {
      if (frame !== undefined) return frame
      const left = deadline - Date.now()
      if (left <= 0) throw new Error('no frame was received')
      await new Promise<void>((resolve) => {
        // A test may abandon the wait, and the process ends without it.
        const timer = setTimeout(resolve, left).unref()
        this.#wake = () => { clearTimeout(timer); resolve() }
      })
    }
  }

  /** Resolves with the queued frames after the round trip of a ping: all earlier frames have arrived by then. */
  async quiet (): Promise<ReadonlyArray<string | Buffer>> {
    const pong = once(this.socket, 'pong')
    this.socket.ping()
    await pong
    return [...this.#frames]
  }

  /** Resolves with the code and the reason of the close. */
  async closed (): Promise<{ code: number, reason: string }> {
    const [code, reason] = await once(this.socket, 'close', { signal: AbortSignal.timeout(TIMEOUT_MS) }) as [number, Buffer]
    return { code, reason: reason.toString() }
  }
}

/** Connects a client and consumes the greeting. The end of the test terminates the client. */
export async function connect (t: Test, url: string, claims?: Partial<TokenClaims>): Promise<TestClient> {
  const client = new TestClient(new WebSocket(`${url}?token=${token(claims)}`))
  t.teardown(() => client.socket.terminate())
  const greeting = await client.next()
  if (greeting !== GREETING) throw new Error(`the first frame was ${String(greeting)}`)
  return client
}

/** Calls the REST API as an operator. */
export async function api (origin: string, method: string, path: string, body?: unknown, roles = ['admin']) {
  const response = await fetch(origin + path, {
    method,
    headers: { authorization: `Bearer ${token({ user: 'operator', roles })}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: (text === '' ? null : JSON.parse(text)) as Record<string, unknown> }
}
