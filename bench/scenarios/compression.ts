import { variant, type Peer } from '../peers.ts'
import { measureBursts } from '../rig/bursts.ts'
import { jsonText } from '../rig/payloads.ts'
import { onStages } from '../rig/stage.ts'
import type { Scenario } from './scenario.ts'
import { CLIENTS } from './usual.ts'

const BYTES = 2048
const THRESHOLD = 1024

// Without a compression context for each client, which uses too much memory with many clients.
const perMessageDeflate = { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: THRESHOLD }

/** Broadcasts JSON to clients that offer compression, one message at a time. */
export const compression: Scenario = {
  id: 'compression',
  rounds: 3,
  isQuick: true,
  rows: (peers) => peers.flatMap(rowsFor),
  tables: [{
    title: `Broadcast of ${BYTES} bytes of JSON to ${CLIENTS} clients that offer compression: server CPU (µs) and bytes per delivery`,
    columns: [
      { metric: 'cpuUs', heading: 'CPU', digits: 2, against: ['ours', 'ws-deflate'] },
      { metric: 'bytes', heading: 'bytes', digits: 0 }
    ]
  }],
  measure: (rows, effort) => onStages(rows, async (stages) => {
    for (const stage of stages) {
      stage.server.setText(jsonText(BYTES))
      await stage.connect(CLIENTS, { offersDeflate: true })
    }
    return measureBursts(stages, { inFlight: 1, clients: CLIENTS }, effort.short)
  })
}

function rowsFor (peer: Peer): Peer[] {
  switch (peer.id) {
    case 'ours': return [peer, variant(peer, 'deflate', 'fastify-hub, compressing', { websocket: { compression: { enabled: true, threshold: THRESHOLD } } })]
    case 'ws': return [peer, variant(peer, 'deflate', 'ws loop, compressing', { perMessageDeflate })]
    case 'socket.io': return [variant(peer, 'deflate', 'Socket.IO, compressing', { perMessageDeflate })]
    default: return []
  }
}
