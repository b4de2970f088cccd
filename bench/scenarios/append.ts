import { variant, variantsOfOurs } from '../peers.ts'
import { quietest } from '../rig/clocks/quiet.ts'
import { difference, othersPercent, readClocks, type Reading } from '../rig/clocks/reading.ts'
import { running } from '../rig/running.ts'
import { Server } from '../rig/server.ts'
import { userName } from '../rig/token.ts'
import type { Appended } from '../servers/appending.ts'
import { addAs, oneByOne } from './samples.ts'
import type { Sample, Samples, Scenario } from './scenario.ts'
import { IN_MEMORY } from './usual.ts'

const IN_FLIGHT = [1, 16, 64, 256]
const WARM_UP_MS = 500

/**
 * Publishes to an offline user and awaits each receipt: with the log on disk, the receipt comes when the disk has the
 * message.
 */
export const append: Scenario = {
  id: 'append',
  rounds: 3,
  isQuick: false,
  rows: variantsOfOurs((ours) => [ours, variant(ours, 'memory', 'fastify-hub, engine memory', IN_MEMORY)]),
  tables: [{
    title: '128 bytes to an offline user: receipts per second, time to a receipt (ms), server CPU per message (µs)',
    columns: IN_FLIGHT.flatMap((inFlight) => [
      { metric: `perSecond-${inFlight}`, heading: `${inFlight} in flight, per second`, digits: 0 },
      { metric: `p50Ms-${inFlight}`, heading: 'p50', digits: 2 },
      { metric: `p99Ms-${inFlight}`, heading: 'p99', digits: 2 },
      { metric: `cpuUs-${inFlight}`, heading: 'CPU', digits: 1 }
    ])
  }],
  async measure (rows, effort) {
    const samples: Samples = {}
    await running(rows.map((row) => new Server(row)), async (servers) => {
      for (const inFlight of IN_FLIGHT) {
        addAs(inFlight, await oneByOne(servers, async (server) => {
          await appendFor(server, inFlight, WARM_UP_MS)
          return sampleOf(await quietest(effort.short.attempts, () => appendFor(server, inFlight, effort.postMs)))
        }), samples)
      }
    })
    return samples
  }
}

interface Found { appended: Appended, used: Reading }

async function appendFor (server: Server, inFlight: number, forMs: number): Promise<Found> {
  const before = readClocks(server.pid)
  const appended = await server.append({ user: userName(0), inFlight, forMs })
  return { appended, used: difference(before, readClocks(server.pid)) }
}

function sampleOf ({ appended: { count, p50Ms, p99Ms }, used }: Found): Sample {
  return { perSecond: count * 1000 / used.wallMs, p50Ms, p99Ms, cpuUs: used.serverMs * 1000 / count, othersPercent: othersPercent(used) }
}
