// The files that a reader follows from the body of a request to the socket, and from a claim to resume to the first
// page, measured: the files with functions that V8 counts as called.

import { Session } from 'node:inspector/promises'
import t from 'tap'
import { api, listen } from '../support/helper.ts'
import { connectJson } from '../support/json-client.ts'

/**
 * Files that every request, every connection or every read passes, and that a reader need not open: shared types and
 * tools, hooks of all requests, the token check, the timer of the heartbeat, and the inside of the engine.
 */
const EVERYWHERE = /\/(model|lib|auth)\/|^plugins\/|compilers|request-body|upgrade-gate|ignore-upgrades|heartbeat|engine\/(lifetime|(local|memory)\/)/
/** The receipt, which goes the other way. */
const RECEIPT = /hub\/(node|cluster)\.ts/
/** Parts of every connection, of every write to the state, and of every write to a socket. */
const CONNECTION = new RegExp([
  'handshake', 'refusals', 'ws-connection', 'input-meter', 'admission', 'client-index', 'early-messages', 'events', 'task-queue',
  'coalesced-writes', 'keys', 'memberships', 'durable-cursors', 'redeliveries', 'frame-cache', 'outbox/', 'protocol/', 'engine/'
].join('|'))

/** Product files whose functions run while `act` runs. */
async function filesPassed (act: () => Promise<unknown>): Promise<string[]> {
  const root = new URL('../../', import.meta.url).href
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  // A reading resets the counts.
  await session.post('Profiler.takePreciseCoverage')
  await act()
  const { result } = await session.post('Profiler.takePreciseCoverage')
  session.disconnect()
  return result.filter(({ url, functions }) => {
    return url.startsWith(root) && functions.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0)
  }).map(({ url }) => url.slice(root.length).replace(/\.js$/, '.ts'))
    .filter((file) => /^(routes|plugins|services)\//.test(file) && !EVERYWHERE.test(file)).sort()
}

/** From the body of a request to the socket, in the order of the calls. */
const BROADCAST = [
  'routes/bodies.ts',
  'routes/api/messages.ts',
  'services/hub/hub.ts',
  'services/hub/publish/publisher.ts',
  'services/engine/engine.ts',
  'services/hub/delivery/fan-out.ts',
  'services/hub/clients/registry.ts',
  'services/hub/delivery/frame-cache.ts',
  'services/protocol/web-pubsub.ts',
  'services/protocol/frame.ts',
  'services/hub/clients/client.ts',
  'services/hub/clients/cursor.ts',
  'services/hub/outbox/outbox.ts',
  'services/hub/outbox/batch.ts',
  'services/hub/outbox/flusher.ts',
  'services/transport/ws-connection.ts'
]

/** From the claim of a client to the first page of the log, in the order of the calls. */
const RESUME = [
  'routes/live/ws-endpoint.ts',
  'routes/live/endpoint.ts',
  'routes/live/ws.ts',
  'services/transport/connect-query.ts',
  'services/hub/node.ts',
  'services/hub/store/sessions.ts',
  'services/transport/ws-service.ts',
  'services/hub/clients/cursor.ts',
  'services/hub/clients/client.ts',
  'services/hub/clients/registry.ts',
  'services/hub/store/start-position.ts',
  'services/hub/delivery/catch-up.ts'
]

t.test('a broadcast passes at most 16 files from the body of the request to the socket', async (t) => {
  const { origin, url } = await listen(t)
  const client = await connectJson(t, url)
  const broadcast = () => Promise.all([api(origin, 'POST', '/broadcast', { message: 'news' }), client.nextJson()])
  await broadcast()
  const files = (await filesPassed(broadcast)).filter((file) => !RECEIPT.test(file))
  t.same(files, BROADCAST.toSorted())
  t.ok(BROADCAST.length <= 16)
})

t.test('a resume passes at most 12 files from the claim to the first page of the log', async (t) => {
  const { app, url } = await listen(t)
  const lost = await connectJson(t, url)
  await lost.dropConnection(app)
  await app.hub.broadcast('missed')
  const files = (await filesPassed(async () => {
    const resumed = await connectJson(t, url, { query: lost.resumeQuery })
    await resumed.nextJson()
  })).filter((file) => !CONNECTION.test(file))
  t.same(files, RESUME.toSorted())
  t.ok(RESUME.length <= 12)
})
