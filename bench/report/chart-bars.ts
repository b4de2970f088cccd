import type { Series } from './chart.ts'
import { decades, element, label, logScale } from './svg.ts'

const LEFT = 185
const RIGHT = 60
const TOP = 50
const GROUP_GAP = 14
const BAR = 17

/**
 * Draws horizontal bars on a logarithmic scale: a group for each number of messages in flight, a bar for each server.
 */
export function barPanel (series: Series[], width: number): { svg: string, height: number } {
  const steps = series[0]?.points.map(({ at }) => at) ?? []
  const values = series.flatMap(({ points }) => points.map(({ value }) => value))
  const longest = Math.max(...values)
  const ticks = decades(values).filter((tick, i) => i === 0 || tick <= longest)
  const groupHeight = series.length * BAR + GROUP_GAP + 20
  const bottom = TOP + steps.length * groupHeight
  const x = logScale([ticks[0] ?? 1, longest], [LEFT, width - RIGHT])

  const grid = ticks.flatMap((tick) => [
    element('line', { x1: x(tick), x2: x(tick), y1: TOP, y2: bottom, stroke: '#ddd' }),
    label(x(tick), bottom + 16, `${tick} µs`, { 'text-anchor': 'middle', class: 'small' })
  ])
  const groups = steps.flatMap((step, group) => {
    const top = TOP + group * groupHeight
    return [
      label(LEFT, top + 14, `${step} in flight`, { style: 'font-weight:600' }),
      ...series.flatMap(({ name, color, points }, i) => bar(name, color, points[group]?.value, top + 20 + i * BAR, x))
    ]
  })
  const title = label(20, 28, 'Server CPU per delivery, 128 bytes to 1000 clients (µs, logarithmic: one step is ten times)', { class: 'title' })
  return { svg: [title, ...grid, ...groups].join('\n'), height: bottom + 35 }
}

function bar (name: string, color: string, value: number | undefined, y: number, x: (value: number) => number): string[] {
  if (value === undefined) return []
  return [
    label(LEFT - 8, y + 12, name, { 'text-anchor': 'end' }),
    element('rect', { x: LEFT, y: y + 2, width: x(value) - LEFT, height: BAR - 4, fill: color }),
    label(x(value) + 5, y + 12, value.toFixed(2), { class: 'small' })
  ]
}
