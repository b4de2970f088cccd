import { variant, variantsOfOurs } from '../peers.ts'
import { median } from '../report/statistics.ts'
import { sayMany } from '../rig/bursts.ts'
import { onStage, type Stage } from '../rig/stage.ts'
import { ownBytes, type Memory } from '../servers/memory.ts'
import type { Sample, Samples, Scenario } from './scenario.ts'
import { CLIENTS, FILL } from './usual.ts'

const MEGABYTE = 1_000_000

// What is looked at: readings at equal distances.
const LOAD = { readings: 16, messages: 2560, inFlight: 64, bytes: 128 }
// The writes of a frozen client are stuck on purpose.
const PATIENT = { websocket: { writeDeadline: '10m' } }

/** All clients but one stop reading, and messages go on: what does the server keep for those who are behind? */
export const behind: Scenario = {
  id: 'behind',
  rounds: 1,
  isQuick: false,
  rows: variantsOfOurs((ours) => [variant(ours, 'behind', ours.name, PATIENT)]),
  tables: [{
    title: `${CLIENTS} clients do not read (slowClient: catchUp): memory of the server while ${LOAD.readings * LOAD.messages} messages of ${LOAD.bytes} bytes are said (KB per frozen client)`,
    columns: [
      { metric: 'startKb', heading: 'when they are behind', digits: 1 },
      { metric: 'middleKb', heading: 'in the middle', digits: 1 },
      { metric: 'endKb', heading: 'at the end', digits: 1 },
      { metric: 'growthKb', heading: 'from the middle to the end', digits: 2 },
      { metric: 'fileMb', heading: 'pages of the log in memory, all (MB)', digits: 0 }
    ],
    note: 'The first three are above what the server had before they came. Pages of the log belong to the operating system, which takes them back when it needs memory.'
  }],
  async measure (rows) {
    const samples: Samples = {}
    for (const row of rows) samples[row.id] = await onStage(row, watch)
    return samples
  }
}

async function watch (stage: Stage): Promise<Sample> {
  // One client that reads says when a burst is done.
  await stage.connect(1)
  await sayMany(stage, { ...LOAD, messages: LOAD.inFlight })
  const before = await stage.server.memory()
  await stage.connect(CLIENTS, { isFrozen: true })
  await sayMany(stage, FILL)

  const readings = [await stage.server.memory()]
  for (let i = 0; i < LOAD.readings; i++) {
    await sayMany(stage, LOAD)
    readings.push(await stage.server.memory())
  }
  if (readings.some(({ clients }) => clients !== CLIENTS + 1)) throw new Error('The server has lost clients that were only frozen.')
  return sampleOf(before, readings)
}

function sampleOf (before: Memory, readings: Memory[]): Sample {
  const kilobytes = readings.map((reading) => (ownBytes(reading) - ownBytes(before)) / 1024 / CLIENTS)
  const middle = LOAD.readings / 2
  // Three readings each: V8 decides by itself when it takes memory from the operating system and gives it back.
  const [middleKb, endKb] = [median(kilobytes.slice(middle - 1, middle + 2)), median(kilobytes.slice(-3))]
  return { startKb: kilobytes[0] ?? Number.NaN, middleKb, endKb, growthKb: endKb - middleKb, fileMb: ((readings.at(-1)?.filePages ?? 0) - (before.filePages ?? 0)) / MEGABYTE }
}
