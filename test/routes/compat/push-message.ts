// A service with pushMessage's endpoint, and its clients.

import { once } from 'node:events'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { ConfigInput } from '../../../services/config/input.ts'
import { listen, TestClient } from '../../support/helper.ts'

type Service = Awaited<ReturnType<typeof serve>>

/** A service with the endpoint in mode open, and the requests of its operators; each resolves to the status. */
export async function serve (t: Test, config: ConfigInput = {}) {
  const service = await listen(t, { ...config, compat: { pushMessage: 'open' } })
  const post = async (path: string, value: unknown): Promise<number> => (await fetch(service.origin + path, { method: 'POST', body: JSON.stringify(value) })).status
  const destroy = async (id: string): Promise<number> => (await fetch(`${service.origin}/client/${id}`, { method: 'DELETE' })).status
  return { ...service, post, destroy }
}

/** A client with this id. */
export async function open (t: Test, { origin }: Pick<Service, 'origin'>, id: string): Promise<TestClient> {
  const client = new TestClient(new WebSocket(`${origin.replace('http', 'ws')}/client/${id}`))
  t.teardown(() => client.socket.terminate())
  await once(client.socket, 'open')
  return client
}

/** The values of the next frames. */
export async function take (client: TestClient, count: number): Promise<unknown[]> {
  const values: unknown[] = []
  while (values.length < count) values.push(JSON.parse(String(await client.next())))
  return values
}
