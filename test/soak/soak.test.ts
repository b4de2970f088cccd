// Takes about 40 s in `npm test`, although the crowds act for 8 s in all: a program starts for each policy, and the
// heartbeat needs 5 s to disconnect the frozen clients. On a slow machine a crowd continues for up to 30 s until enough
// has happened, and a crowd that leaves more memory in use than allowed is followed by up to two further crowds.
// A longer run, with the seed of an earlier crowd:
//
//   SOAK_SECONDS=3600 SOAK_SEED=7 npm test -- test/soak/soak.test.ts

import { randomInt } from 'node:crypto'
import t, { type Test } from 'tap'
import { Crowd, type CrowdSize } from './crowd.ts'
import { Service } from './service.ts'
import { DISCONNECTS } from './disconnects.ts'
import { until } from '../support/helper.ts'

const SECONDS = Number(process.env.SOAK_SECONDS ?? 8)
const SEED = Number(process.env.SOAK_SEED ?? randomInt(2 ** 31))
const POLICIES = ['disconnect', 'dropNewest', 'dropOldest', 'latest'] as const
/** Fraction of the time before the measurement, in which code and buffers reach their usual size. */
const WARM_UP = 0.2

const MEBIBYTE = 1024 ** 2
const LIMITS = { maxQueueSize: 256 * 1024, maxMessageSize: 64 * 1024, maxQueueWrites: 256 }
const LOG = { maxSize: MEBIBYTE, maxCount: 1000 }
const SIZE: CrowdSize = { steady: 40, transient: 6, slow: 4, frozen: 8, churners: 12 }
/** docs/connections.md, "Slow clients and the memory bound": the bound for slow and frozen clients together. */
const CLIENT_BOUND_BYTES = LIMITS.maxQueueSize + LIMITS.maxMessageSize + LIMITS.maxQueueWrites * 400
const BOUND_BYTES = (SIZE.slow + SIZE.frozen) * CLIENT_BOUND_BYTES
/** Memory of an idle connection, estimated high; part of the memory is collected only later. */
const CONNECTION_BYTES = 32 * 1024
const SLACK_BYTES = 5 * MEBIBYTE
/** Most growth of memory after all clients have disconnected. */
const MAX_GROWTH_BYTES = 3 * MEBIBYTE
/** Crowds of which one has to stay below this growth: a leak grows with each crowd, code and buffers stop growing. */
const MAX_CROWDS = 3
/** Smallest counts that prove something, on a slow machine too. */
const MINIMUM = { broadcasts: 100, eachDisconnect: 3, transientConnections: 3, affectedSlow: 1 }
/** In a shorter run, the buffers of the kernel may hold all messages for the slow clients. */
const MIN_SECONDS_OF_SLOW = 60
/** Time of one policy: the crowds, each with its patience and the heartbeat, and the start of the program. */
const POLICY_SECONDS = SECONDS / POLICIES.length * (1 + MAX_CROWDS) + (1 + MAX_CROWDS) * 40 + 30

t.setTimeout(POLICIES.length * POLICY_SECONDS * 1000)
t.comment(`SOAK_SEED=${SEED}`)

for (const [n, slowClient] of POLICIES.entries()) {
  const title = 'under churn, a reading client receives every message once and in order, memory stays bounded, and no memory leaks'
  t.test(`${title} (slowClient: ${slowClient})`, async (t) => {
    t.setTimeout(POLICY_SECONDS * 1000)
    await withSeed(t, async () => {
      const service = await Service.start(t, {
        engine: { kind: 'memory', ...LOG },
        websocket: {
          ...LIMITS,
          slowClient,
          upgradesPerSecond: 0,
          maxClientsPerUser: 0,
          pingPeriod: '1s',
          writeDeadline: '5s'
        }
      })
      const dropsFrames = slowClient !== 'disconnect'
      const newCrowd = (nth: number) => new Crowd(service, SIZE, { seed: SEED + n * 1000 + nth * 100, dropsFrames })
      const ms = SECONDS * 1000 / POLICIES.length
      await fillLog(service)
      const first = newCrowd(0)
      await first.run(ms * WARM_UP, () => first.published.steady > 0)
      first.resetFrozen()
      await checkCrowd(t, service, first)

      let growth = Infinity
      for (let nth = 1; growth >= MAX_GROWTH_BYTES && nth <= MAX_CROWDS; nth++) {
        const { usedBytes: before } = await service.measure()
        const crowd = newCrowd(nth)
        await crowd.run(ms * (1 - WARM_UP), () => isEnough(crowd))
        const { affectedSlow, disconnects, published, transientConnections } = crowd
        const happened = { affectedSlow, disconnects, published, transientConnections }
        t.ok(isEnough(crowd), 'enough happened to prove something', happened)
        await checkCrowd(t, service, crowd)
        const { usedBytes: after, dropped } = await service.measure()
        growth = after - before

        const peak = crowd.samples.reduce((most, { usedBytes }) => Math.max(most, usedBytes), 0)
        t.comment([
          `${slowClient}: ${published.all} broadcasts`,
          `${sum(published) - published.all} messages to users`,
          `${dropped} frames dropped`,
          `${affectedSlow} slow connections lost messages or were disconnected`,
          `${transientConnections} transient connections`,
          `${sum(disconnects)} disconnects`
        ].join(', '))
        const limit = before + BOUND_BYTES + SLACK_BYTES
        t.comment([
          `${slowClient}: ${megabytes(before)} MB before`,
          `${megabytes(peak)} MB at most of ${megabytes(limit)}`,
          `${megabytes(after)} MB after`
        ].join(', '))
        const over = crowd.samples.filter(({ usedBytes, clients }) => usedBytes > limit + clients * CONNECTION_BYTES)
        t.same(over, [], 'memory stays below the bound')
      }
      t.ok(growth < MAX_GROWTH_BYTES, `memory grows by ${megabytes(growth)} MB`)
      t.same(await service.close(), { code: 0, signal: null }, 'the process ends by itself')
      t.equal(service.output, '', 'the service logs no error')
    })
  })
}

/** Publishes as many messages as the log keeps, so that the log has its full size before memory is measured. */
async function fillLog (service: Service): Promise<void> {
  const bytes = Math.ceil(LOG.maxSize / LOG.maxCount)
  const messages = Array.from({ length: LOG.maxCount }, (_, index) => {
    return { stream: 'all', number: index + 1, order: index + 1, bytes } as const
  })
  await service.publish(messages, false)
}

/** Whether each kind of event has happened often enough to prove something. */
function isEnough ({ affectedSlow, published, transientConnections, samples, disconnects }: Crowd): boolean {
  const slow = SECONDS >= MIN_SECONDS_OF_SLOW ? MINIMUM.affectedSlow : 0
  const hasDropped = samples.some(({ dropped }) => dropped > 0)
  const hasDisconnected = Object.keys(DISCONNECTS).every((kind) => (disconnects[kind] ?? 0) >= MINIMUM.eachDisconnect)
  const hasConnected = transientConnections >= MINIMUM.transientConnections
  return published.all >= MINIMUM.broadcasts && hasConnected && hasDropped && hasDisconnected && affectedSlow >= slow
}

/**
 * Checks the messages that the clients received and the counts of the service, then disconnects all clients.
 */
async function checkCrowd (t: Test, service: Service, crowd: Crowd): Promise<void> {
  const expectedClients = () => crowd.steady.length + [...crowd.slow.values()].filter(({ isOpen }) => isOpen).length
  const haveFrozenEnded = async () => (await service.count()).clients === expectedClients()
  await until(haveFrozenEnded, 'that the service disconnects the frozen clients')
  const areCaughtUp = async () => (await service.clients('?limit=1000')).clients.every(({ behind }) => !behind)
  await until(areCaughtUp, 'that the slow clients have caught up')
  await crowd.publishLast()
  const { total, clients } = await service.clients('?limit=1000')
  const expected = expectedClients()
  t.same({ total, listed: clients.length }, { total: expected, listed: expected }, 'all connected clients are listed')
  t.equal(clients.filter(({ user }) => user === 'steady').length, SIZE.steady)

  t.same(crowd.faults, [], 'every message is unchanged, for its client, in order, not lost and not repeated')
  for (const reader of crowd.steady) {
    const numbers = (['all', 'steady'] as const).map((stream) => [reader.first(stream), reader.last(stream)])
    const published = [[1, crowd.published.all], [1, crowd.published.steady]]
    t.same(numbers, published, 'a steady client receives the first and the last message')
  }
  t.ok(crowd.fewestMatched >= SIZE.steady, 'every receipt counts all steady clients')
  for (const { user, dropped } of clients) {
    const missing = crowd.slow.get(user)?.missing ?? 0
    if (missing > dropped) t.fail(`${user} missed ${missing} messages, and the service counts ${dropped}`)
  }

  await crowd.disconnect()
  t.same(crowd.faults, [], 'every close frame is answered')
  await until(async () => (await service.count()).sockets === 0, 'that all sockets are closed')
  t.equal((await service.count()).clients, 0)
  t.match(await service.clients(), { total: 0, clients: [] })
  await until(async () => (await service.count()).sockets === 0, 'that the last socket is closed')
}

/** Adds the seed to every failure. */
async function withSeed (t: Test, body: () => Promise<void>): Promise<void> {
  try {
    await body()
    if (!t.passing()) t.fail(`SOAK_SEED=${SEED} starts the same crowd again`)
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)} (SOAK_SEED=${SEED})`, { cause: error })
  }
}

function sum (counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function megabytes (bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
