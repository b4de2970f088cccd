import type { Effort } from '../effort.ts'
import type { Peer } from '../peers.ts'

/** What one measurement of one peer found: numbers by metric. */
export type Sample = Record<string, number>

/** One sample for each peer, by the peer's id. */
export type Samples = Record<Peer['id'], Sample>

export interface Column {
  metric: string
  heading: string
  digits: number
  /** Followed by a column that compares it with the baseline. */
  compared: boolean
}

export interface Table {
  title: string
  columns: Column[]
}

/** One question put to every peer. To add one: a file in scenarios/ and a row in scenarios.ts. */
export interface Scenario {
  /** For `--only` and the result files. */
  id: string
  tables: Table[]
  /** Starts what it needs, measures every peer once, and leaves nothing running. */
  measure: (peers: Peer[], effort: Effort) => Promise<Samples>
}
