import type { Peer } from '../peers.ts'
import type { Sample, Samples } from './scenario.ts'

/** Measures the subjects one after another. */
export async function oneByOne<T extends { peer: Peer }> (all: T[], measure: (one: T) => Promise<Sample>): Promise<Samples> {
  const samples: Samples = {}
  for (const one of all) samples[one.peer.id] = await measure(one)
  return samples
}

/** Adds the measured samples to the known ones, under names with this suffix. */
export function addAs (ending: string | number, found: Samples, known: Samples): void {
  for (const [id, sample] of Object.entries(found)) {
    const renamed = Object.entries(sample).map(([metric, value]) => [`${metric}-${ending}`, value])
    known[id] = { ...known[id], ...Object.fromEntries(renamed) as Sample }
  }
}
