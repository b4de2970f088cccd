import { mkdirSync, writeFileSync } from 'node:fs'
import type { Effort } from '../rig/effort.ts'
import { baseUrl } from '../rig/setup/paths.ts'
import type { Rounds } from './comparison.ts'
import type { Machine } from './machine.ts'

/** All results of one run, as written to bench/results. */
export interface Results {
  date: string
  command: string
  seconds: number
  machine: Machine
  versions: Record<string, string>
  /** Peers that could not be measured on this machine: one sentence for each. */
  leftOut: string[]
  effort: Effort
  /** By the id of the scenario. */
  samples: Record<string, Rounds>
}

/** Writes the results to `<name>.json`; replaces the results of an earlier run. */
export function writeResults (results: Results, name: 'latest' | 'quick'): void {
  const folder = new URL('bench/results/', baseUrl)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(results, rounded, 2)}\n`)
}

function rounded (_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value
}
