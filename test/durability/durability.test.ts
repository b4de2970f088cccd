// What was acknowledged to a publisher reaches everybody it is for, whatever is cut, frozen or killed.
//
//   HUB_DURABILITY_SECONDS=3600 HUB_DURABILITY_SEED=7 npm run durability
//
// The real program (`node dist/server.js`, so `npm run build` comes first) with its log on disk, six backends that say
// things over REST, and some 20 clients of all protocols, each behind a network of its own. In rounds: connections are
// cut, held up, frozen and left half open, and the hub is killed, stopped and ended, also while it starts and ends; then
// all comes to rest, everybody gets a last message, and what was seen is checked against what was acknowledged.
//
// - Reliable and SSE clients: everything that was acknowledged, once, in the order of the offsets, in every session.
// - Raw and plain clients: the same within each connection; the messages to their user at least once, also those that
//   came while they were away. What was said to everybody or to a group then is not promised to them.
// - The log: everything that was acknowledged, once, in the order in which each backend said it.
//
// Takes one round of 10 s in `npm test`, and the time in which all comes to rest: less would hold no kill of every kind.
// A seed gives the same plan; when exactly something happens depends on the machine.

import { randomInt } from 'node:crypto'
import t from 'tap'
import { Campaign } from './campaign.ts'
import { HubProcess } from './hub-process.ts'
import { report } from './report.ts'
import { Random } from '../soak/random.ts'

const SECONDS = Number(process.env.HUB_DURABILITY_SECONDS ?? 10)
const SEED = Number(process.env.HUB_DURABILITY_SEED ?? randomInt(2 ** 31))
/** Short enough for all that is kept of a round to fit into memory. */
const ROUND_SECONDS = 20

const TIMEOUT_SECONDS = 180

t.setTimeout((SECONDS * 2 + TIMEOUT_SECONDS) * 1000)

t.test('nothing that was acknowledged is lost, and nothing comes twice or out of order', async (t) => {
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
  for (let left = rounds; left > 0 && campaign.faults.length === 0; left--) await campaign.round(SECONDS * 1000 / rounds)

  for (const line of report(campaign, { seed: SEED, seconds: SECONDS })) t.comment(line)
  t.same(campaign.faults, [], `HUB_DURABILITY_SEED=${SEED} HUB_DURABILITY_SECONDS=${SECONDS} makes the same plan again`)
  for (const { subject } of campaign.clients) subject.stop()
  await hub.end('SIGTERM')
  t.same(hub.faults, [], 'the hub ends in order')
})
