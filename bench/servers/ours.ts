// fastify-hub as a plugin of a Fastify app, as in its README. Every connection has a token, which is checked. The log
// is in the default location, on disk in the working directory.
import fastify from 'fastify'
import type { FastifyHubOptions } from '../../index.ts'
import { entry } from '../rig/setup/build.ts'
import { secret } from '../rig/token.ts'
import { listenApp } from './listen.ts'
import { options } from './options.ts'
import { serve } from './serve.ts'

/**
 * With `keep: false`, broadcasts are not written to the log; with `to`, messages are sent to this user instead; with
 * `entry`, another build is measured.
 */
interface Options extends FastifyHubOptions { keep?: boolean, to?: string, entry?: string }
const { keep = true, to, websocket, entry: href = entry().href, ...rest }: Options = options
const { fastifyHub } = await import(href) as typeof import('../../index.ts')
const sendOptions = keep ? undefined : { keep }

const app = fastify()
await app.register(fastifyHub, {
  auth: { secret },
  ...rest,
  websocket: { maxClients: 0, maxClientsPerUser: 0, upgradesPerSecond: 0, ...websocket }
})

serve({
  port: await listenApp(app),
  broadcast: async (text) => {
    const { stored } = await (to === undefined ? app.hub.broadcast(text, sendOptions) : app.hub.send({ user: to }, text, sendOptions))
    assertKept(stored)
  },
  append: async (user, text) => {
    const { stored } = await app.hub.send({ user }, text, sendOptions)
    assertKept(stored)
  },
  clients: () => app.hub.size
})

// Work that was not done must not be measured as cheap.
function assertKept (stored: boolean): void {
  if (stored !== keep) throw new Error(keep ? 'The log did not take a message.' : 'The log took a message that it should not keep.')
}
