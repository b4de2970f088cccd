import { parseArgs } from 'node:util'
import { earlierBuild, peers, type Peer } from './peers.ts'
import { full, quick, type Effort } from './rig/effort.ts'
import { scenarios } from './scenarios.ts'
import type { Scenario } from './scenarios/scenario.ts'

/** The plan of one run of the program. */
export interface Plan {
  /** The command that repeats this run. */
  command: string
  effort: Effort
  peers: Peer[]
  scenarios: Array<{ scenario: Scenario, rounds: number }>
  /** Peers that cannot be measured on this machine, with the reason: one sentence for each. */
  leftOut: string[]
  /** The result files that the run may write; a run that leaves out servers or scenarios only prints. */
  fitFor: 'documentation' | 'comparison' | 'eyes'
}

/** Reads the command line; throws an error with a full sentence for an invalid option. */
export function readFlags (args: string[]): Plan {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      before: { type: 'string' }
    }
  })
  const effort = { ...(values.quick ? quick : full) }
  if (values.rounds !== undefined) effort.rounds = Number(values.rounds)
  if (!Number.isInteger(effort.rounds) || effort.rounds < 1) throw new Error('--rounds must be an integer above 0.')

  const known = [...peers, ...scenarios].map(({ id }) => id)
  const unknown = values.only.find((id) => !known.includes(id))
  if (unknown !== undefined) throw new Error(`--only ${unknown} is neither a peer nor a scenario: choose from ${known.join(', ')}.`)

  const rows = pick(peers, values.only)
  if (values.before !== undefined) rows.push(earlierBuild(values.before))
  const missing = rows.map((peer) => ({ peer, reason: peer.missing?.() }))
  return {
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    effort,
    peers: missing.filter(({ reason }) => reason === undefined).map(({ peer }) => peer),
    scenarios: pick(scenarios, values.only)
      .filter(({ id, isQuick }) => isQuick || !values.quick || values.only.includes(id))
      .map((scenario) => ({ scenario, rounds: values.rounds === undefined ? Math.min(effort.rounds, scenario.rounds) : effort.rounds })),
    leftOut: missing.flatMap(({ peer, reason }) => reason === undefined ? [] : [`${peer.name} is left out: ${reason}.`]),
    fitFor: values.only.length > 0 || values.before !== undefined ? 'eyes' : values.quick || effort.rounds < full.rounds ? 'comparison' : 'documentation'
  }
}

function pick<T extends { id: string }> (all: T[], only: string[]): T[] {
  const chosen = all.filter(({ id }) => only.includes(id))
  return chosen.length > 0 ? chosen : [...all]
}
