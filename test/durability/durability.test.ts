// Every message that was acknowledged to a publisher is delivered to all its recipients, despite cuts, freezes and
// kills.
//
//   HUB_DURABILITY_SECONDS=3600 HUB_DURABILITY_SEED=7 npm run durability
//
// The test runs the real program (`node dist/server.js`, so `npm run build` comes first) with its log on disk, six
// backends that publish over REST, and some 20 clients of all protocols, each behind a network of its own. In each
// round, connections are cut, paused, frozen and left half open, and the hub is killed, suspended and terminated, also
// while it starts and ends. Then all clients settle and receive a last message, and the received messages are checked
// against the acknowledged messages.
//
// - Reliable and SSE clients: every acknowledged message, once, in the order of the offsets, in every session.
// - Raw and plain clients: the same within each connection; the messages to their user at least once, also those
//   published while the client is disconnected. Messages to everyone or to a group are not promised to a disconnected
//   client.
// - The log: every acknowledged message, once, in the order in which each backend published.
//
// Takes one round of 10 s in `npm test`, and the time in which all clients settle: a shorter round has no kill of every
// kind. A seed gives the same plan; the timing depends on the machine.

import { randomInt } from 'node:crypto'
import t from 'tap'
import { Campaign } from './campaign.ts'
import { HubProcess } from './hub-process.ts'
import { report } from './report.ts'
import { Random } from '../support/random.ts'

const SECONDS = Number(process.env.HUB_DURABILITY_SECONDS ?? 10)
const SEED = Number(process.env.HUB_DURABILITY_SEED ?? randomInt(2 ** 31))
/** Length of a round, short enough to keep all records of a round in memory. */
const ROUND_SECONDS = 20

const TIMEOUT_SECONDS = 180

t.setTimeout((SECONDS * 2 + TIMEOUT_SECONDS) * 1000)

t.test('no acknowledged message is lost, repeated or delivered out of order', async (t) => {
  t.setTimeout((SECONDS * 2 + TIMEOUT_SECONDS) * 1000)
  const random = new Random(SEED)
  const hub = await HubProcess.prepare(t, random, {
    engine: { maxCount: 10_000_000, maxAge: '1h', maxSize: '1GiB' },
    idempotency: { window: '1h' },
    console: false,
    websocket: {
      maxMessageSize: '32KiB',
      maxQueueSize: '64KiB',
      maxQueueWrites: 128,
      resumeWindow: '10m',
      pingPeriod: '1s',
      writeDeadline: '4s',
      upgradesPerSecond: 0,
      maxClientsPerUser: 0,
      drain: { grace: '1s' }
    }
  })
  await hub.start()
  const campaign = await Campaign.prepare(t, hub, SEED)
  await campaign.connectAll()
  const rounds = Math.ceil(SECONDS / ROUND_SECONDS)
  for (let left = rounds; left > 0 && campaign.faults.length === 0; left--) {
    await campaign.round(SECONDS * 1000 / rounds)
  }

  for (const line of report(campaign, { seed: SEED, seconds: SECONDS })) t.comment(line)
  const variables = `HUB_DURABILITY_SEED=${SEED} HUB_DURABILITY_SECONDS=${SECONDS}`
  t.same(campaign.faults, [], `${variables} starts the same plan again`)
  for (const { subject } of campaign.clients) subject.stop()
  await hub.end('SIGTERM')
  t.same(hub.faults, [], 'the hub ends without a fault')
})
