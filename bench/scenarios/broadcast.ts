import type { Effort } from '../effort.ts'
import { othersPercent, quietest } from '../quiet.ts'
import { onStage, payload, total, type Reading, type Stage } from '../stage.ts'
import type { Column, Sample, Scenario } from './scenario.ts'

const IN_FLIGHT = [1, 16, 64]
const CHECK_EVERY_MS = 50

/** Says the same text to everyone, a few messages per tick; the next ones follow when every client has all of them. */
export const broadcast: Scenario = {
  id: 'broadcast',
  tables: [
    {
      title: `Broadcast of ${payload.length} bytes to 1000 clients: server CPU per delivery (µs)`,
      columns: columns('cpuUs', 2, true)
    },
    {
      title: 'The same broadcast: deliveries per second (thousands)',
      columns: columns('kPerSecond', 0, false)
    },
    {
      title: 'The same broadcast: how much of one core was used (%) by server, load and other programs',
      columns: [
        ...columns('serverPercent', 0, false, 'server, '),
        ...columns('loadPercent', 0, false, 'load, '),
        { metric: 'othersPercent', heading: 'other programs', digits: 0, compared: false }
      ]
    }
  ],
  measure: (peer, effort) => onStage(peer, async (stage) => {
    await stage.connect(effort.receivers)
    const sample: Sample = {}
    const windows: Reading[] = []
    for (const inFlight of IN_FLIGHT) {
      stage.expect(inFlight)
      await play(stage, inFlight, { ...effort, windowWallMs: effort.warmUpMs })
      const { rounds, used } = await quietest(effort.attempts, () => play(stage, inFlight, effort))
      const deliveries = rounds * inFlight * effort.receivers
      sample[`cpuUs-${inFlight}`] = used.serverMs * 1000 / deliveries
      sample[`kPerSecond-${inFlight}`] = deliveries / used.wallMs
      sample[`serverPercent-${inFlight}`] = used.serverMs / used.wallMs * 100
      sample[`loadPercent-${inFlight}`] = used.loadMs / used.wallMs * 100
      windows.push(used)
    }
    return { ...sample, othersPercent: othersPercent(total(windows)) }
  })
}

async function play (stage: Stage, inFlight: number, limit: Effort): Promise<{ rounds: number, used: Reading }> {
  const before = stage.read()
  let checked = before.wallMs
  for (let rounds = 1; ; rounds++) {
    await stage.broadcast(inFlight)
    if (performance.now() - checked < CHECK_EVERY_MS) continue
    const used = stage.since(before)
    if (used.serverMs >= limit.windowCpuMs || used.wallMs >= limit.windowWallMs) return { rounds, used }
    checked = performance.now()
  }
}

function columns (metric: string, digits: number, compared: boolean, prefix = ''): Column[] {
  return IN_FLIGHT.map((count) => ({ metric: `${metric}-${count}`, heading: `${prefix}${count} in flight`, digits, compared }))
}
