import { variant, type Peer } from '../peers.ts'
import { quietest } from '../rig/clocks/quiet.ts'
import { corePercents, type Reading } from '../rig/clocks/reading.ts'
import { plainText } from '../rig/payloads.ts'
import { onStages, type Stage } from '../rig/stage.ts'
import { adminToken } from '../rig/token.ts'
import { oneByOne } from './samples.ts'
import type { Sample, Scenario } from './scenario.ts'

const CONNECTIONS = 64
const WARM_UP_MS = 1000
const EMPTY_ROUTE: Peer = {
  id: 'empty-route',
  name: 'empty Fastify route',
  file: 'servers/empty-route.ts',
  protocol: 'http',
  path: () => '/',
  packages: ['fastify']
}

/** Publishes over HTTP, with one request in flight on each of a few connections. */
export const publish: Scenario = {
  id: 'publish',
  rounds: 3,
  isQuick: true,
  rows: (peers) => peers.flatMap((peer) => peer.id === 'ours' ? [variant(peer, 'api', 'fastify-hub, 1 client', { api: true }), EMPTY_ROUTE] : []),
  tables: [{
    title: `POST /broadcast of 128 bytes on ${CONNECTIONS} connections: requests per second, server CPU per request (µs), use of one core (%)`,
    columns: [
      { metric: 'perSecond', heading: 'requests per second', digits: 0, against: [EMPTY_ROUTE.id] },
      { metric: 'cpuUs', heading: 'CPU', digits: 1, against: [EMPTY_ROUTE.id] },
      { metric: 'serverPercent', heading: 'server', digits: 0 },
      { metric: 'loadPercent', heading: 'load', digits: 0 }
    ]
  }],
  measure: (rows, effort) => onStages(rows, async (stages) => {
    for (const stage of stages) {
      if (stage.peer.protocol !== 'http') await stage.connect(1)
      await postFor(stage, WARM_UP_MS)
    }
    return oneByOne(stages, async (stage) => sampleOf(await quietest(effort.short.attempts, () => postFor(stage, effort.postMs))))
  })
}

/**
 * Posts the default text for a while; resolves with the number of accepted requests and the CPU time that they used.
 */
export async function postFor (stage: Stage, forMs: number): Promise<{ posted: number, used: Reading }> {
  const body = JSON.stringify({ message: plainText() })
  const before = stage.read()
  const posted = await stage.post({ path: '/broadcast', token: adminToken(), body, connections: CONNECTIONS, forMs })
  return { posted, used: stage.since(before) }
}

function sampleOf ({ posted, used }: { posted: number, used: Reading }): Sample {
  return {
    perSecond: posted * 1000 / used.wallMs,
    cpuUs: used.serverMs * 1000 / posted,
    ...corePercents(used)
  }
}
