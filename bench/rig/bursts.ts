import { oneByOne } from '../scenarios/samples.ts'
import type { Sample, Samples } from '../scenarios/scenario.ts'
import { quietest } from './clocks/quiet.ts'
import { corePercents, type Reading } from './clocks/reading.ts'
import type { Windows } from './effort.ts'
import { plainText } from './payloads.ts'
import type { Stage } from './stage.ts'

const CHECK_EVERY_MS = 50

/** The number of messages in one burst, and the number of clients. */
interface Burst { inFlight: number, clients: number }

interface Window { rounds: number, bytes: number, used: Reading }

/**
 * Broadcasts the same text `inFlight` times in one tick; the next burst follows when every client has the whole burst.
 * The peers' windows follow each other closely, so that a drift in the speed of the machine affects all peers equally.
 */
export async function measureBursts (stages: Stage[], burst: Burst, windows: Windows): Promise<Samples> {
  for (const stage of stages) {
    await stage.expect(burst.inFlight)
    if (windows.warmUpMs > 0) await play(stage, burst.inFlight, { cpuMs: windows.warmUpMs, wallMs: windows.warmUpMs })
  }
  return oneByOne(stages, async (stage) => sampleOf(await quietest(windows.attempts, () => play(stage, burst.inFlight, windows)), burst))
}

/** A number of messages of one size, sent in bursts. */
interface Many { messages: number, inFlight: number, bytes: number }

/** Broadcasts many messages, at least `inFlight`; resolves when every client that reads has all of them. */
export async function publishMany (stage: Stage, { messages, inFlight, bytes }: Many): Promise<void> {
  stage.server.setText(plainText(bytes))
  await stage.expect(inFlight)
  for (let sent = 0; sent < messages; sent += inFlight) await stage.broadcast(inFlight)
}

function sampleOf ({ rounds, bytes, used }: Window, { inFlight, clients }: Burst): Sample {
  const deliveries = rounds * inFlight * clients
  return {
    cpuUs: used.serverMs * 1000 / deliveries,
    kPerSecond: deliveries / used.wallMs,
    bytes: bytes / deliveries,
    ...corePercents(used)
  }
}

async function play (stage: Stage, inFlight: number, limit: { cpuMs: number, wallMs: number }): Promise<Window> {
  const before = stage.read()
  let checked = before.wallMs
  let bytes = 0
  for (let rounds = 1; ; rounds++) {
    bytes += await stage.broadcast(inFlight)
    if (performance.now() - checked < CHECK_EVERY_MS) continue
    const used = stage.since(before)
    if (used.serverMs >= limit.cpuMs || used.wallMs >= limit.wallMs) return { rounds, bytes, used }
    checked = performance.now()
  }
}
