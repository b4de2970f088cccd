// Takes about 40 s in `npm test`, although the crowds act for 8 s in all: for each policy a program starts, and the heartbeat
// needs 5 s to disconnect the frozen clients. On a slow machine a crowd continues for up to 30 s until enough has happened.
// Longer, and with a seed that makes the same crowd again: SOAK_SECONDS=3600 SOAK_SEED=7 npm test -- test/soak/soak.test.ts

import { randomInt } from 'node:crypto'
import t, { type Test } from 'tap'
import { Crowd, type CrowdSize } from './crowd.ts'
import { Service } from './service.ts'
import { DISCONNECTS } from './disconnects.ts'
import { until } from '../support/helper.ts'

const SECONDS = Number(process.env.SOAK_SECONDS ?? 8)
const SEED = Number(process.env.SOAK_SEED ?? randomInt(2 ** 31))
const POLICIES = ['disconnect', 'dropNewest', 'dropOldest', 'latest'] as const
/** The part of the time in which nothing is measured yet, because code and buffers still checkCrowd. */
const WARM_UP = 0.2

const MEBIBYTE = 1024 ** 2
const LIMITS = { maxQueueSize: 256 * 1024, maxMessageSize: 64 * 1024, maxQueueWrites: 256 }
const LOG = { maxSize: MEBIBYTE, maxCount: 1000 }
const SIZE: CrowdSize = { steady: 40, transient: 6, slow: 4, frozen: 8, churners: 12 }
/** docs/connections.md, "Slow clients and the memory bound", for those who do not take what is sent to them. */
const BOUND_BYTES = (SIZE.slow + SIZE.frozen) * (LIMITS.maxQueueSize + LIMITS.maxMessageSize + LIMITS.maxQueueWrites * 400)
/** An idle connection, generously; what is collected only later. */
const CONNECTION_BYTES = 32 * 1024
const SLACK_BYTES = 5 * MEBIBYTE
/** How much more memory may be in use when everybody has gone. */
const MAX_GROWTH_BYTES = 3 * MEBIBYTE
/** Crowds of which one has to leave no more than that: what leaks grows with each crowd, code and buffers checkCrowd. */
const MAX_CROWDS = 3
/** Less would prove nothing, however slow the machine. */
const MINIMUM = { broadcasts: 100, eachWay: 3, transientConnections: 3, affectedSlow: 2 }

t.setTimeout((SECONDS * 2 + 240) * 1000)
t.comment(`SOAK_SEED=${SEED}`)

for (const [n, slowClient] of POLICIES.entries()) {
  t.test(`under churn, a client that reads gets every message once and in order, memory stays bounded and nothing stays behind (slowClient: ${slowClient})`, async (t) => {
    t.setTimeout((SECONDS / 2 + 90) * 1000)
    await withSeed(t, async () => {
      const service = await Service.start(t, {
        engine: { kind: 'memory', ...LOG },
        websocket: { ...LIMITS, slowClient, upgradesPerSecond: 0, maxClientsPerUser: 0, pingPeriod: '1s', writeDeadline: '5s' }
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
        await checkCrowd(t, service, crowd)
        // Slow ones know that they were affectedSlow only when they have read what was on its way to them.
        t.ok(isEnough(crowd) && crowd.affectedSlow >= MINIMUM.affectedSlow, 'enough happened to prove something', { disconnects: crowd.disconnects, published: crowd.published, transientConnections: crowd.transientConnections, affectedSlow: crowd.affectedSlow })
        const { usedBytes: after, dropped } = await service.measure()
        growth = after - before

        const peak = crowd.samples.reduce((most, { usedBytes }) => Math.max(most, usedBytes), 0)
        t.comment(`${slowClient}: ${crowd.published.all} broadcasts, ${sum(crowd.published) - crowd.published.all} to users, ${dropped} frames dropped, ${crowd.affectedSlow} slow ones affectedSlow, ${crowd.transientConnections} transientConnections, ${sum(crowd.disconnects)} came and left`)
        t.comment(`${slowClient}: ${megabytes(before)} MB before, ${megabytes(peak)} MB at most of ${megabytes(before + BOUND_BYTES + SLACK_BYTES)}, ${megabytes(after)} MB after`)
        const over = crowd.samples.filter(({ usedBytes, clients }) => usedBytes > before + BOUND_BYTES + clients * CONNECTION_BYTES + SLACK_BYTES)
        t.same(over, [], 'memory was never over the bound')
      }
      t.ok(growth < MAX_GROWTH_BYTES, `${megabytes(growth)} MB stayed behind`)
      t.same(await service.close(), { code: 0, signal: null }, 'the process ends by itself')
      t.equal(service.output, '', 'nothing was an error')
    })
  })
}

/** Publishes as much as the log keeps, so that the log has its full size before memory is measured. */
async function fillLog (service: Service): Promise<void> {
  const messages = Array.from({ length: LOG.maxCount }, (_, index) => ({ stream: 'all', number: index + 1, order: index + 1, bytes: Math.ceil(LOG.maxSize / LOG.maxCount) } as const))
  await service.publish(messages, false)
}

/** Whether a crowd has done so much of everything that it proves something. */
function isEnough ({ published, transientConnections, samples, disconnects }: Crowd): boolean {
  const hasDropped = samples.some(({ dropped }) => dropped > 0)
  return published.all >= MINIMUM.broadcasts && transientConnections >= MINIMUM.transientConnections && hasDropped && Object.keys(DISCONNECTS).every((kind) => (disconnects[kind] ?? 0) >= MINIMUM.eachWay)
}

/** Looks at what a crowd did to the service and the service to it. Afterwards everybody has gone. */
async function checkCrowd (t: Test, service: Service, crowd: Crowd): Promise<void> {
  const expected = () => crowd.steady.length + [...crowd.slow.values()].filter(({ isOpen }) => isOpen).length
  await until(async () => (await service.count()).clients === expected(), 'that the service cuts those who are frozen')
  await until(async () => (await service.clients('?limit=1000')).clients.every(({ behind }) => !behind), 'that the slow ones have read all')
  await crowd.publishLast()
  const { total, clients } = await service.clients('?limit=1000')
  t.same({ total, listed: clients.length }, { total: expected(), listed: expected() }, 'those are listed who are there')
  t.equal(clients.filter(({ user }) => user === 'steady').length, SIZE.steady)

  t.same(crowd.faults, [], 'every message was whole, for its client, in order, and not lost and not said twice')
  for (const reader of crowd.steady) {
    const numbers = (['all', 'steady'] as const).map((stream) => [reader.first(stream), reader.last(stream)])
    t.same(numbers, [[1, crowd.published.all], [1, crowd.published.steady]], 'from the first to the last')
  }
  t.ok(crowd.fewestMatched >= SIZE.steady, 'no receipt forgets a client')
  for (const { user, dropped } of clients) {
    const missing = crowd.slow.get(user)?.missing ?? 0
    if (missing > dropped) t.fail(`${user} missed ${missing} messages, and the service counts ${dropped}`)
  }

  await crowd.disconnect()
  t.same(crowd.faults, [], 'every goodbye was answered')
  await until(async () => (await service.count()).sockets === 0, 'that all sockets are closed')
  t.equal((await service.count()).clients, 0)
  t.match(await service.clients(), { total: 0, clients: [] })
  await until(async () => (await service.count()).sockets === 0, 'that the last socket is closed')
}

/** Says the seed with whatever goes wrong. */
async function withSeed (t: Test, body: () => Promise<void>): Promise<void> {
  try {
    await body()
    if (!t.passing()) t.fail(`SOAK_SEED=${SEED} lets the same crowd loose again`)
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
