import { once } from 'node:events'
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { fastifyHub } from '../../index.ts'
import { ECHO, IN_MEMORY, SECRET, TestClient } from './helper.ts'
import { handshake } from './raw-client.ts'

/** One step in the setup of an application. Tests vary the order of the steps. */
export type Step = (app: FastifyInstance) => unknown

export const auth = { secret: SECRET }
export const hub: Step = (app) => app.register(fastifyHub, { ...IN_MEMORY, auth })
export const foreignWebsocket: Step = (app) => app.register(fastifyWebsocket)
export const plainRoute: Step = (app) => app.get('/plain', async () => 'plain')
export const refusal: Step = (app) => app.addHook('onRequest', async (_request, reply) => reply.code(401).send('no'))

/** A WebSocket route of the application, independent of the hub. */
export function echoRoute (path: string): Step {
  return (app) => app.register(async (scope) => {
    scope.get(path, { websocket: true }, (socket) => {
      socket.on('message', (data: Buffer) => socket.send(`own ${data.toString()}`))
    })
  })
}

/** Sets up a foreign application step by step. The end of the test closes the application. */
export async function build (t: Test, steps: readonly Step[], options: FastifyServerOptions = {}): Promise<{ app: FastifyInstance }> {
  const app = Fastify(options)
  t.teardown(() => app.close())
  for (const step of steps) await step(app)
  // In an object, because the application is thenable and `await` would resolve it.
  return { app }
}

/** Sets up a foreign application that listens on a free port. */
export async function listen (t: Test, steps: readonly Step[], options?: FastifyServerOptions) {
  const { app } = await build(t, steps, options)
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const ws = origin.replace('http', 'ws')
  return { app, origin, ws, port: Number(new URL(origin).port), url: `${ws}/admin/ws` }
}

/** Opens a WebSocket to the application. */
export async function open (t: Test, url: string): Promise<TestClient> {
  const client = new TestClient(new WebSocket(url))
  t.teardown(() => client.socket.terminate())
  await once(client.socket, 'open')
  return client
}

/** Asserts that `echoRoute` or the hub answers a message of a WebSocket client. */
export async function expectEchoFrom (t: Test, client: TestClient, by: 'the application' | 'the hub'): Promise<void> {
  client.send('hi')
  t.equal(await client.next(), by === 'the hub' ? `${ECHO}hi` : 'own hi', `${by} answers`)
}

/** Fails when closing an application takes long. */
export async function closesFast (t: Test, app: FastifyInstance): Promise<void> {
  const started = Date.now()
  await app.close()
  t.ok(Date.now() - started < 5000, 'close() returns at once')
}

/** A request that offers HTTP/2, like every request of Java's HttpClient and of `curl --http2`. */
export function h2c (path: string): string {
  const headers = { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' }
  return handshake({ path, headers: { ...headers, 'Sec-WebSocket-Version': null, 'Sec-WebSocket-Key': null } })
}
