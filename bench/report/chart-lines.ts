import type { Series } from './chart.ts'
import { element, label, logScale } from './svg.ts'

const LEFT = 60
const RIGHT = 200
const TOP = 50
const HEIGHT = 300
const LABEL_GAP = 16
const NICE = [1, 2, 3, 5, 7]

/** Draws lines over the number of clients, with logarithmic axes and a name at the right end of each line. */
export function linePanel (series: Series[], width: number): { svg: string, height: number } {
  const points = series.flatMap((one) => one.points)
  if (points.length === 0) return { svg: '', height: 0 }
  const steps = [...new Set(points.map(({ at }) => at))]
  const values = points.map(({ value }) => value)
  const ticks = niceTicks(Math.min(...values), Math.max(...values))
  const right = width - RIGHT
  const bottom = TOP + HEIGHT
  const x = logScale([Math.min(...steps), Math.max(...steps)], [LEFT + 20, right])
  const y = logScale([ticks[0] ?? 1, ticks.at(-1) ?? 10], [bottom, TOP])

  const grid = ticks.flatMap((tick) => [
    element('line', { x1: LEFT, x2: right, y1: y(tick), y2: y(tick), stroke: '#ddd' }),
    label(LEFT - 6, y(tick) + 4, `${tick} µs`, { 'text-anchor': 'end', class: 'small' })
  ])
  const axis = steps.map((step) => label(x(step), bottom + 18, `${step} clients`, { 'text-anchor': 'middle', class: 'small' }))
  const lines = series.map(({ color, points: line }) => element('polyline', {
    points: line.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' '),
    fill: 'none',
    stroke: color,
    'stroke-width': 2.5
  }))
  const names = spread(series.map(({ name, color, points: line }) => ({ name, color, y: y(line.at(-1)?.value ?? 1) })))
    .map(({ name, color, y: at }) => label(right + 10, at + 4, name, { style: `fill:${color};font-weight:600` }))
  const title = label(20, 28, 'The same by number of clients, one message at a time (µs, both scales logarithmic)', { class: 'title' })
  return { svg: [title, ...grid, ...axis, ...lines, ...names].join('\n'), height: bottom + 40 }
}

function niceTicks (low: number, high: number): number[] {
  const all = [-2, -1, 0, 1, 2, 3].flatMap((power) => NICE.map((digit) => Number((digit * 10 ** power).toPrecision(1))))
  const first = all.findLastIndex((tick) => tick <= low)
  const last = all.findIndex((tick) => tick >= high)
  return all.slice(Math.max(0, first), last + 1)
}

// Moves names apart that would overlap because their lines end close together.
function spread<T extends { y: number }> (labels: T[]): T[] {
  const sorted = labels.map((one) => ({ ...one })).sort((a, b) => a.y - b.y)
  sorted.forEach((one, i) => {
    const above = sorted[i - 1]
    if (above !== undefined) one.y = Math.max(one.y, above.y + LABEL_GAP)
  })
  const overflow = (sorted.at(-1)?.y ?? 0) - (TOP + HEIGHT)
  if (overflow > 0) for (const one of sorted) one.y -= overflow
  return sorted
}
