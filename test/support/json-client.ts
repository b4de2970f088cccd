import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { createToken, type TokenClaims } from '../../services/auth/token.ts'
import { SECRET, TestClient, until } from './helper.ts'

export const RELIABLE = 'json.reliable.webpubsub.azure.v1'
export const PLAIN = 'json.webpubsub.azure.v1'

/** One frame of the JSON subprotocols. */
export type JsonFrame = Record<string, unknown>

/** Options of a connection: the claims of its token, its subprotocol, and further parameters of its address. */
export interface ConnectOptions extends Partial<TokenClaims> {
  readonly subprotocol?: string
  readonly query?: string
}

/** A client of the JSON subprotocols. Tests control each step: acknowledgements, repeated requests and resumption. */
export class JsonClient extends TestClient {
  /** The first frame from the hub. */
  greeting: JsonFrame = {}

  get id (): string {
    return String(this.greeting['connectionId'])
  }

  /** The parameters of an address that resumes this connection. */
  get resumeQuery (): string {
    return `&awps_connection_id=${this.id}&awps_reconnection_token=${String(this.greeting['reconnectionToken'])}`
  }

  /** Sends one frame. */
  sendJson (request: JsonFrame): void {
    this.send(JSON.stringify(request))
  }

  /** Resolves with the next frame from the hub. */
  async nextJson (): Promise<JsonFrame> {
    return JSON.parse(String(await this.next())) as JsonFrame
  }

  /** Sends a frame and resolves with the next frame from the hub, which must be the reply. */
  async request (request: JsonFrame): Promise<JsonFrame> {
    this.sendJson(request)
    return this.nextJson()
  }

  /** Ends the connection without a Close frame, and resolves when the hub has removed the client. */
  async dropConnection (app: FastifyInstance): Promise<void> {
    this.socket.terminate()
    await until(() => app.hub.client(this.id) === undefined, 'the removal of the client')
  }
}

/** Starts to connect. The hub may still accept or refuse the client. */
export function dial (t: Test, url: string, options: ConnectOptions = {}): JsonClient {
  const { subprotocol = RELIABLE, query = '', user = 'bob', roles = [], groups = [], ttlSeconds = 3600 } = options
  const token = createToken({ secret: SECRET }, { user, roles, groups, ttlSeconds })
  const client = new JsonClient(new WebSocket(`${url}?token=${token}${query}`, subprotocol === '' ? [] : subprotocol))
  t.teardown(() => client.socket.terminate())
  return client
}

/** Connects a client and consumes the greeting of the subprotocol. */
export async function connectJson (t: Test, url: string, options?: ConnectOptions): Promise<JsonClient> {
  const client = dial(t, url, options)
  client.greeting = await client.nextJson()
  if (client.greeting['event'] !== 'connected') {
    throw new Error(`the first frame was ${JSON.stringify(client.greeting)}`)
  }
  return client
}

/** The end of a refused attempt to connect. */
interface Refusal { readonly status: number, readonly code?: unknown, readonly reason?: string }

/** Resolves with the status of an HTTP refusal, or with the code of a connection that is closed before any message. */
export async function refusal (client: TestClient): Promise<Refusal> {
  const refused = new Promise<{ status: number, code: unknown }>((resolve) => {
    client.socket.once('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => { body += chunk.toString() })
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, code: (JSON.parse(body) as JsonFrame)['code'] })
      })
    })
  })
  const closed = once(client.socket, 'open').then(() => client.closed())
  return Promise.race([refused, closed.then((end) => ({ status: 101, ...end }))])
}
