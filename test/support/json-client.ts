import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { createToken, type TokenClaims } from '../../services/auth/token.ts'
import { SECRET, TestClient, until } from './helper.ts'

export const RELIABLE = 'json.reliable.webpubsub.azure.v1'
export const PLAIN = 'json.webpubsub.azure.v1'

/** One JSON object of the subprotocols. */
export type Said = Record<string, unknown>

/** How a client comes: who it says it is, what it speaks, and what its address says besides. */
export interface Coming extends Partial<TokenClaims> {
  readonly subprotocol?: string
  readonly query?: string
}

/** A client of the JSON subprotocols that does nothing by itself: it acknowledges, repeats and resumes only when it is told to. */
export class JsonClient extends TestClient {
  /** The hub's first word. */
  greeting: Said = {}

  get id (): string {
    return String(this.greeting['connectionId'])
  }

  /** What the address of a connection says that resumes this one. */
  get resumption (): string {
    return `&awps_connection_id=${this.id}&awps_reconnection_token=${String(this.greeting['reconnectionToken'])}`
  }

  say (request: Said): void {
    this.send(JSON.stringify(request))
  }

  /** What the hub says next. */
  async heard (): Promise<Said> {
    return JSON.parse(String(await this.next())) as Said
  }

  /** Says something and takes the answer, which must be the next word of the hub. */
  async ask (request: Said): Promise<Said> {
    this.say(request)
    return this.heard()
  }

  /** Loses the connection without a Close frame, and waits until the hub has noticed. */
  async lose (app: FastifyInstance): Promise<void> {
    this.socket.terminate()
    await until(() => app.hub.client(this.id) === undefined, 'the loss to be noticed')
  }
}

/** A client on its way, whatever the hub will say to it. */
export function dial (t: Test, url: string, { subprotocol = RELIABLE, query = '', user = 'bob', roles = [], groups = [], ttlSeconds = 3600 }: Coming = {}): JsonClient {
  const token = createToken({ secret: SECRET }, { user, roles, groups, ttlSeconds })
  const client = new JsonClient(new WebSocket(`${url}?token=${token}${query}`, subprotocol === '' ? [] : subprotocol))
  t.teardown(() => client.socket.terminate())
  return client
}

/** A client that has been welcomed. */
export async function welcome (t: Test, url: string, coming?: Coming): Promise<JsonClient> {
  const client = dial(t, url, coming)
  client.greeting = await client.heard()
  if (client.greeting['event'] !== 'connected') throw new Error(`the first word was ${JSON.stringify(client.greeting)}`)
  return client
}

/** How an attempt to connect ends: the status of an HTTP refusal, or the code with which the connection is closed before a word is said. */
export async function refusal (client: TestClient): Promise<{ readonly status: number, readonly code?: unknown, readonly reason?: string }> {
  const refused = new Promise<{ status: number, code: unknown }>((resolve) => {
    client.socket.once('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => { body += chunk.toString() })
      response.on('end', () => { resolve({ status: response.statusCode ?? 0, code: (JSON.parse(body) as Said)['code'] }) })
    })
  })
  const closed = once(client.socket, 'open').then(() => client.closed())
  return Promise.race([refused, closed.then((end) => ({ status: 101, ...end }))])
}
