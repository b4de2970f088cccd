import { withOptions, withoutSameLoop } from '../peers.ts'
import { measureBursts } from '../rig/bursts.ts'
import { plainText } from '../rig/payloads.ts'
import { onStages } from '../rig/stage.ts'
import { columnsInFlight } from './in-flight.ts'
import { addAs } from './samples.ts'
import type { Samples, Scenario } from './scenario.ts'
import { CLIENTS, IN_FLIGHT } from './usual.ts'

// The default broadcast has 128 bytes.
const SIZES = [2048, 16_384]

/** Repeats the broadcast with larger texts. */
export const sizes: Scenario = {
  id: 'sizes',
  rounds: 2,
  isQuick: false,
  // 64 texts of 16 KiB exceed the default queue limit of a client.
  rows: (peers) => withOptions(withoutSameLoop(peers), { ours: { websocket: { maxQueueSize: '4MiB' } } }),
  tables: SIZES.map((bytes) => ({
    title: `Broadcast of ${bytes} bytes to ${CLIENTS} clients: server CPU per delivery (µs)`,
    columns: columnsInFlight({ metric: `cpuUs-${bytes}`, digits: 2, against: ['ws', 'floor'] })
  })),
  measure: (rows, effort) => onStages(rows, async (stages) => {
    for (const stage of stages) await stage.connect(CLIENTS)
    const samples: Samples = {}
    for (const bytes of SIZES) {
      for (const stage of stages) stage.server.setText(plainText(bytes))
      for (const inFlight of IN_FLIGHT) {
        addAs(`${bytes}-${inFlight}`, await measureBursts(stages, { inFlight, clients: CLIENTS }, effort.short), samples)
      }
    }
    return samples
  })
}
