import { setTimeout as sleep } from 'node:timers/promises'
import type { Cut, Tally } from '../load/readers/member.ts'
import { variant, type Peer } from '../peers.ts'
import { Audience } from '../rig/audience.ts'
import { pace } from '../rig/pace.ts'
import { running } from '../rig/running.ts'
import { rawInbox, reliable, sse } from './readers.ts'
import { addAs, oneByOne } from './samples.ts'
import type { Column, Sample, Samples, Scenario } from './scenario.ts'

const CLIENTS = 100
const MESSAGES = 500
const EVERY_MS = 40
const SETTLE_MS = 3000

interface Way extends Cut { id: string, everyMs: number, title: string }

const load = `${MESSAGES} messages in ${MESSAGES * EVERY_MS / 1000} s to ${CLIENTS} clients`
const ways: Way[] = [
  { id: 'closed', everyMs: 2000, pauseMs: 100, silently: false, title: `${load}, each of which loses its connection every 2 s and is back 100 ms later` },
  { id: 'dead', everyMs: 5000, pauseMs: 2000, silently: true, title: `${load}, each of which loses its network every 5 s, which the server cannot see, and is back 2 s later` }
]

/** Counts lost and duplicate messages of a steady stream to clients that lose their connections again and again. */
export const cuts: Scenario = {
  id: 'cuts',
  rounds: 1,
  isQuick: false,
  rows: (peers) => peers.flatMap(rowsFor),
  tables: ways.map(({ id, title }) => ({ title, columns: columnsOf(id) })),
  async measure (rows) {
    const samples: Samples = {}
    for (const way of ways) addAs(way.id, await cutAll(rows, way), samples)
    return samples
  }
}

/** Runs all servers at the same time, because they have little to do. */
function cutAll (rows: Peer[], { everyMs, pauseMs, silently }: Way): Promise<Samples> {
  return running(rows.map((row) => new Audience(row)), async (audiences) => {
    for (const audience of audiences) await audience.gather(CLIENTS, silently)
    for (const audience of audiences) audience.cutEvery(everyMs, { pauseMs, silently })
    await pace(MESSAGES, EVERY_MS, () => { for (const audience of audiences) audience.publish(1) })
    for (const audience of audiences) audience.leaveAlone()
    await sleep(pauseMs + SETTLE_MS)
    return oneByOne(audiences, async (audience) => sampleOf(await audience.tally()))
  })
}

function rowsFor (peer: Peer): Peer[] {
  switch (peer.id) {
    case 'ours': return [reliable(peer), sse(peer), rawInbox(peer)]
    case 'socket.io': return [
      variant(peer, 'recovery', 'Socket.IO, connection state recovery', { connectionStateRecovery: {} }),
      peer
    ]
    default: return []
  }
}

function columnsOf (way: string): Column[] {
  return [
    { metric: 'deliveredPercent', heading: 'delivered (%)', digits: 2 },
    { metric: 'lost', heading: 'lost', digits: 0 },
    { metric: 'duplicates', heading: 'duplicates', digits: 0 },
    { metric: 'repeated', heading: 'sent again, dropped by the client', digits: 0 },
    { metric: 'cuts', heading: 'connections lost', digits: 0 },
    { metric: 'startedOver', heading: 'not resumed', digits: 0 },
    { metric: 'awayMs', heading: 'each time away for (ms)', digits: 0 }
  ].map((column) => ({ ...column, metric: `${column.metric}-${way}` }))
}

function sampleOf ({ received, duplicates, repeated, cuts, returns, awayMs, startedOver }: Tally): Sample {
  const due = CLIENTS * MESSAGES
  return { deliveredPercent: received / due * 100, lost: due - received, duplicates, repeated, cuts, startedOver, awayMs: awayMs / returns }
}
