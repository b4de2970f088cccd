import type { Peer } from '../peers.ts'
import type { Effort } from '../rig/effort.ts'

/** What one measurement of one peer found: numbers by metric. */
export type Sample = Record<string, number>

/** One sample for each peer, by the peer's id. */
export type Samples = Record<Peer['id'], Sample>

export interface Column {
  metric: string
  heading: string
  digits: number
  /** Followed by columns that compare it with these rows; `floor` is the kernel's, or Node's where there is no other. */
  against?: string[]
}

export interface Table {
  title: string
  columns: Column[]
  /** A sentence below the table. */
  note?: string
}

/** One question put to every peer. To add one: a file in scenarios/ and a row in scenarios.ts. */
export interface Scenario {
  /** For `--only` and the result files. */
  id: string
  /** How often a full run measures it. */
  rounds: number
  /** Whether the quick run has it: what takes long is measured only in a full run, or when it is asked for by name. */
  isQuick: boolean
  /** Its rows where they are not just the chosen peers. */
  rows?: (peers: Peer[]) => Peer[]
  tables: Table[]
  /** Starts what it needs, measures every row once, and leaves nothing running. */
  measure: (rows: Peer[], effort: Effort) => Promise<Samples>
}

/** The rows of a scenario when these peers are measured. */
export function rowsOf (scenario: Scenario, peers: Peer[]): Peer[] {
  return scenario.rows?.(peers) ?? peers
}
