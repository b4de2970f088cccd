import { variant, variantsOfOurs } from '../peers.ts'
import { median } from '../report/statistics.ts'
import { publishMany } from '../rig/bursts.ts'
import { onStage, type Stage } from '../rig/stage.ts'
import { ownBytes, type Memory } from '../servers/memory.ts'
import type { Sample, Samples, Scenario } from './scenario.ts'
import { CLIENTS, FILL } from './usual.ts'

const MEGABYTE = 1_000_000

// The load between two readings of the memory, which are taken at equal distances.
const LOAD = { readings: 16, messages: 2560, inFlight: 64, bytes: 128 }
// Longer than the scenario: the writes of a frozen client are blocked on purpose.
const PATIENT = { websocket: { writeDeadline: '10m' } }

/**
 * Measures the memory that the server uses for clients that are behind: all clients but one stop reading while messages
 * are published.
 */
export const behind: Scenario = {
  id: 'behind',
  rounds: 1,
  isQuick: false,
  rows: variantsOfOurs((ours) => [variant(ours, 'behind', ours.name, PATIENT)]),
  tables: [{
    title: `${CLIENTS} clients do not read (slowClient: catchUp): memory of the server while ${LOAD.readings * LOAD.messages} messages of ${LOAD.bytes} bytes are published (KB per frozen client)`,
    columns: [
      { metric: 'startKb', heading: 'when they are behind', digits: 1 },
      { metric: 'middleKb', heading: 'in the middle', digits: 1 },
      { metric: 'endKb', heading: 'at the end', digits: 1 },
      { metric: 'growthKb', heading: 'from the middle to the end', digits: 2 },
      { metric: 'fileMb', heading: 'pages of the log in memory, all (MB)', digits: 0 }
    ],
    note: 'The first three columns are the increase over the memory before the frozen clients connected. The operating system owns the pages of the log and reclaims them when it needs memory.'
  }],
  async measure (rows) {
    const samples: Samples = {}
    for (const row of rows) samples[row.id] = await onStage(row, watch)
    return samples
  }
}

async function watch (stage: Stage): Promise<Sample> {
  // The one client that reads reports when a burst is complete.
  await stage.connect(1)
  await publishMany(stage, { ...LOAD, messages: LOAD.inFlight })
  const before = await stage.server.memory()
  await stage.connect(CLIENTS, { isFrozen: true })
  await publishMany(stage, FILL)

  const readings = [await stage.server.memory()]
  for (let i = 0; i < LOAD.readings; i++) {
    await publishMany(stage, LOAD)
    readings.push(await stage.server.memory())
  }
  if (readings.some(({ clients }) => clients !== CLIENTS + 1)) throw new Error('The server has lost clients that were only frozen.')
  return sampleOf(before, readings)
}

function sampleOf (before: Memory, readings: Memory[]): Sample {
  const kilobytes = readings.map((reading) => (ownBytes(reading) - ownBytes(before)) / 1024 / CLIENTS)
  const middle = LOAD.readings / 2
  // Three readings each, because V8 decides when it takes memory from the operating system and returns it.
  const [middleKb, endKb] = [median(kilobytes.slice(middle - 1, middle + 2)), median(kilobytes.slice(-3))]
  return { startKb: kilobytes[0] ?? Number.NaN, middleKb, endKb, growthKb: endKb - middleKb, fileMb: ((readings.at(-1)?.filePages ?? 0) - (before.filePages ?? 0)) / MEGABYTE }
}
