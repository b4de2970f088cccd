import type { Peer } from '../peers.ts'
import type { Effort } from '../rig/effort.ts'

/** The result of one measurement of one peer: numbers by metric. */
export type Sample = Record<string, number>

/** One sample for each peer, by the peer's id. */
export type Samples = Record<Peer['id'], Sample>

export interface Column {
  metric: string
  heading: string
  digits: number
  /** Followed by columns that compare it with these rows; `floor` is the kernel's, or Node's without gcc. */
  against?: string[]
}

export interface Table {
  title: string
  columns: Column[]
  /** A sentence below the table. */
  note?: string
}

/** One workload that is measured on every peer. To add one: a file in scenarios/ and a row in scenarios.ts. */
export interface Scenario {
  /** For `--only` and the result files. */
  id: string
  /** The number of rounds in a full run. */
  rounds: number
  /**
   * Whether the quick run includes the scenario: a long scenario runs only in a full run, or when `--only` names it.
   */
  isQuick: boolean
  /** The rows of the scenario, if they differ from the chosen peers. */
  rows?: (peers: Peer[]) => Peer[]
  tables: Table[]
  /** Starts all processes, measures every row once, and ends the processes. */
  measure: (rows: Peer[], effort: Effort) => Promise<Samples>
}

/** Returns the rows of a scenario for the chosen peers. */
export function rowsOf (scenario: Scenario, peers: Peer[]): Peer[] {
  return scenario.rows?.(peers) ?? peers
}
