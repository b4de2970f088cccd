import type { Peer } from '../peers.ts'
import { full } from '../rig/effort.ts'
import { IN_FLIGHT } from '../scenarios/usual.ts'
import { barPanel } from './chart-bars.ts'
import { linePanel } from './chart-lines.ts'
import { figures } from './comparison.ts'
import type { Results } from './results.ts'
import { median } from './statistics.ts'
import { element } from './svg.ts'

const WIDTH = 960
const COLORS = ['#0b6e99', '#e07a1f', '#9a6b4f', '#b5338a', '#3a8f4d', '#8a8a8a', '#222222']
const STYLE = 'text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600;font-size:15px}.small{font-size:11px;fill:#555}'

/** Name, color and figures of one peer in both panels. */
export interface Series { name: string, color: string, points: Array<{ at: number, value: number }> }

/** Renders the broadcast figures of a run as an SVG document: by messages in flight, and by number of clients. */
export function chart (results: Results, peers: Peer[]): string {
  const bars = seriesOf(results, peers, 'broadcast', IN_FLIGHT, (inFlight) => `cpuUs-${inFlight}`)
  const lines = seriesOf(results, peers, 'clients', full.crowds, (clients) => `cpuUs-${clients}-1`)
  const upper = barPanel(bars, WIDTH)
  const lower = linePanel(lines, WIDTH)
  const height = upper.height + lower.height
  return element('svg', { xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, role: 'img' },
    element('style', {}, STYLE),
    element('rect', { width: WIDTH, height, fill: '#fff' }),
    upper.svg,
    element('g', { transform: `translate(0 ${upper.height})` }, lower.svg)
  ) + '\n'
}

function seriesOf ({ samples }: Results, peers: Peer[], scenario: string, steps: readonly number[], metric: (step: number) => string): Series[] {
  return peers
    .map(({ id, name }, i) => ({
      name,
      color: COLORS[i % COLORS.length] ?? '#000',
      points: steps
        .map((at) => ({ at, value: median(figures(samples[scenario] ?? {}, id, metric(at))) }))
        .filter(({ value }) => value > 0)
    }))
    .filter(({ points }) => points.length > 0)
}
