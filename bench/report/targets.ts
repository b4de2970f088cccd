import { figures, FLOOR, ratios, resolved } from './comparison.ts'
import { cell, markdown, ratioCell } from './markdown.ts'
import type { Results } from './results.ts'
import { median } from './statistics.ts'

type Found = Results['samples']

/** A target of fastify-hub for one run. */
interface Target {
  text: string
  /** The upper limit, or the lower limit with `atLeast`. */
  limit: number
  atLeast?: true
  /** Digits of a figure; a ratio has a fixed format. */
  digits?: number
  measured: (found: Found) => number
}

// Rows of the scenario `cuts`, and the ids of its two ways to lose a connection.
const EXACTLY_ONCE = ['ours-reliable', 'ours-sse']
const RETURNING = [...EXACTLY_ONCE, 'ours-raw']
const WAYS = ['closed', 'dead']

const targets: Target[] = [
  { text: 'one message at a time: CPU per delivery × kernel floor', limit: 1.35, measured: ratio('broadcast', 'ours', 'cpuUs-1', FLOOR) },
  { text: 'one message at a time: CPU per delivery × ws loop', limit: 0.85, measured: ratio('broadcast', 'ours', 'cpuUs-1', 'ws') },
  { text: '64 in flight: CPU per delivery × kernel floor', limit: 1.4, measured: ratio('broadcast', 'ours', 'cpuUs-64', FLOOR) },
  { text: '64 in flight: CPU per delivery × ws loop', limit: 0.05, measured: ratio('broadcast', 'ours', 'cpuUs-64', 'ws') },
  { text: '64 in flight: CPU per delivery × Socket.IO', limit: 0.05, measured: ratio('broadcast', 'ours', 'cpuUs-64', 'socket.io') },
  { text: '64 in flight: CPU per delivery × uWebSockets', limit: 0.5, measured: ratio('broadcast', 'ours', 'cpuUs-64', 'uwebsockets') },
  { text: 'one message at a time, log on disk: CPU per delivery × without a log', limit: 1.1, measured: ratio('log', 'ours', 'cpuUs-1', 'ours-forget') },
  { text: '64 in flight, log on disk: CPU per delivery × without a log', limit: 1.1, measured: ratio('log', 'ours', 'cpuUs-64', 'ours-forget') },
  { text: '10 000 clients: CPU per delivery, × floor, × that at 1000 clients', limit: 1.5, measured: figure('clients', 'ours', 'growth-1') },
  { text: '10 % frozen clients, dropNewest: p99 of the others × without frozen', limit: 1.3, measured: figure('frozen', 'ours-drop', 'p99Ratio') },
  { text: '10 % frozen clients, disconnect: p99 of the others × without frozen', limit: 1.3, measured: figure('frozen', 'ours-disconnect', 'p99Ratio') },
  { text: '10 % frozen clients, dropNewest: memory grown by × bound', limit: 1, measured: ({ frozen = {} }) => median(figures(frozen, 'ours-drop', 'grownMb')) / median(figures(frozen, 'ours-drop', 'boundMb')) },
  { text: 'client that is behind: memory growth during 20 000 messages (KB)', limit: 1, digits: 2, measured: figure('behind', 'ours-behind', 'growthKb') },
  { text: 'connections that are lost again and again: delivered (%), the worst of three protocols', limit: 100, atLeast: true, digits: 3, measured: ofAll(RETURNING, 'deliveredPercent', Math.min) },
  { text: 'connections that are lost again and again: duplicates of reliable and SSE clients', limit: 0, digits: 0, measured: ofAll(EXACTLY_ONCE, 'duplicates', Math.max) },
  { text: 'accepting a connection with a token: CPU × ws loop, without a token', limit: 1.5, measured: ratio('accept', 'ours', 'cpuUs', 'ws') },
  { text: 'idle connection: memory (KB)', limit: 9, digits: 1, measured: figure('memory', 'ours', 'kb') },
  { text: 'idle connections, all together: CPU (% of one core)', limit: 2, digits: 2, measured: figure('memory', 'ours', 'idlePercent') },
  { text: 'compressed broadcast: CPU per delivery × uncompressed', limit: 1.3, measured: ratio('compression', 'ours-deflate', 'cpuUs', 'ours') },
  { text: 'compressed broadcast: CPU per delivery × ws loop, compressing', limit: 0.1, measured: ratio('compression', 'ours-deflate', 'cpuUs', 'ws-deflate') },
  { text: 'POST /broadcast: requests per second × empty Fastify route', limit: 0.7, atLeast: true, measured: ratio('publish', 'ours-api', 'perSecond', 'empty-route') }
]

/**
 * Renders the targets, the measured values, and whether each target is met; targets that were not measured are left
 * out.
 */
export function targetTable ({ samples }: Results): string {
  const lines = targets.flatMap(({ text, limit, atLeast, digits, measured }) => {
    const value = measured(samples)
    if (!Number.isFinite(value)) return []
    const isMet = atLeast === true ? value >= limit : value <= limit
    return [[text, `${atLeast === true ? '≥' : '≤'} ${limit}`, digits === undefined ? ratioCell(value) : cell(value, digits), isMet ? 'yes' : '**no**']]
  })
  return lines.length === 0 ? '' : `**Targets of fastify-hub**\n\n${markdown([['', 'target', 'measured', 'met'], ...lines])}`
}

function figure (scenario: string, row: string, metric: string): Target['measured'] {
  return (found) => median(figures(found[scenario] ?? {}, row, metric))
}

function ofAll (rows: string[], metric: string, worst: (...values: number[]) => number): Target['measured'] {
  return ({ cuts = {} }) => worst(...rows.flatMap((row) => WAYS.map((way) => median(figures(cuts, row, `${metric}-${way}`)))))
}

function ratio (scenario: string, row: string, metric: string, reference: string): Target['measured'] {
  return (found) => {
    const rounds = found[scenario] ?? {}
    return resolved(reference, rounds) === undefined ? Number.NaN : median(ratios(rounds, row, metric, reference))
  }
}
