import type { Latencies } from '../load/latencies.ts'
import { variant, type Peer } from '../peers.ts'
import { publishMany } from '../rig/bursts.ts'
import { plainText } from '../rig/payloads.ts'
import { onStage, type Stage } from '../rig/stage.ts'
import { ownBytes } from '../servers/memory.ts'
import type { Sample, Samples, Scenario } from './scenario.ts'
import { CLIENTS, FILL } from './usual.ts'

const FROZEN = CLIENTS / 10
const BYTES = 16_384
const EVERY_MS = 50
const MEGABYTE = 1_000_000
const MAX_QUEUE_BYTES = 1024 ** 2

// Many small messages: the bookkeeping of the server for each message grows most.
const FLOOD = { messages: 10_048, inFlight: 64, bytes: 128 }

/** Measures the latency of the other clients and the memory of the server when some clients stop reading. */
export const frozen: Scenario = {
  id: 'frozen',
  rounds: 3,
  isQuick: true,
  rows: (peers) => peers.flatMap(rowsFor),
  tables: [{
    title: `${FROZEN} of ${CLIENTS} clients do not read: latency of ${BYTES / 1024} KiB for the others (ms), memory of the server (MB)`,
    columns: [
      { metric: 'p50WithoutMs', heading: 'p50 without them', digits: 1 },
      { metric: 'p50Ms', heading: 'p50', digits: 1 },
      { metric: 'p99WithoutMs', heading: 'p99 without them', digits: 1 },
      { metric: 'p99Ms', heading: 'p99', digits: 1 },
      { metric: 'p99Ratio', heading: 'p99 × without', digits: 2 },
      { metric: 'grownMb', heading: 'memory grown by', digits: 0 },
      { metric: 'boundMb', heading: 'bound', digits: 0 }
    ],
    note: `The bound is ${FROZEN} clients × \`maxQueueSize\`. Servers without a bound grow with every further message; here, ${FILL.messages} of ${FILL.bytes / 1024} KiB and ${FLOOD.messages} of ${FLOOD.bytes} bytes were sent.`
  }],
  async measure (rows, effort) {
    const samples: Samples = {}
    for (const row of rows) samples[row.id] = await compare(row, effort.paced)
    return samples
  }
}

function rowsFor (peer: Peer): Peer[] {
  switch (peer.id) {
    case 'ours': return [
      variant(peer, 'drop', 'fastify-hub, dropNewest', { websocket: { maxQueueSize: MAX_QUEUE_BYTES, slowClient: 'dropNewest' } }),
      variant(peer, 'disconnect', 'fastify-hub, disconnect', { websocket: { maxQueueSize: MAX_QUEUE_BYTES, slowClient: 'disconnect' } })
    ]
    case 'ws':
    case 'socket.io': return [peer]
    default: return []
  }
}

/**
 * Compares two servers, with and without frozen clients: some servers are busy for a long time when clients with long
 * queues disconnect.
 */
async function compare (row: Peer, paced: number): Promise<Sample> {
  const frozen = await onStage(row, async (stage) => ({ grownMb: await fill(stage, FROZEN), ...await listen(stage, paced) }))
  const without = await onStage(row, async (stage) => {
    await fill(stage, 0) // to warm it up as much as the other server
    return listen(stage, paced)
  })
  return {
    p50Ms: frozen.p50Ms,
    p50WithoutMs: without.p50Ms,
    p99Ms: frozen.p99Ms,
    p99WithoutMs: without.p99Ms,
    p99Ratio: frozen.p99Ms / without.p99Ms,
    grownMb: frozen.grownMb,
    ...(row.options === undefined ? {} : { boundMb: FROZEN * MAX_QUEUE_BYTES / MEGABYTE })
  }
}

/**
 * Adds frozen clients and more messages than the kernel takes for them; resolves with the growth of the server in
 * megabytes.
 */
async function fill (stage: Stage, frozen: number): Promise<number> {
  // One client that reads reports when a burst is complete; more readers would only prolong the burst.
  await stage.connect(1, { isStamped: true })
  await stage.pace(1, EVERY_MS)
  const bytesBefore = ownBytes(await stage.server.memory())
  if (frozen > 0) await stage.connect(frozen, { isStamped: true, isFrozen: true })
  await publishMany(stage, FILL)
  await publishMany(stage, FLOOD)
  return (ownBytes(await stage.server.memory()) - bytesBefore) / MEGABYTE
}

/** Adds the other clients and measures the latency of all clients that read. */
async function listen (stage: Stage, paced: number): Promise<Latencies> {
  stage.server.setText(plainText(BYTES))
  await stage.connect(CLIENTS - FROZEN - 1, { isStamped: true })
  await stage.pace(paced, EVERY_MS) // to warm up
  return stage.pace(paced, EVERY_MS)
}
