import { readFileSync, writeFileSync } from 'node:fs'
import { baseUrl } from '../rig/setup/paths.ts'
import type { Results } from './results.ts'

const page = new URL('docs/benchmarks.md', baseUrl)
const picture = new URL('docs/benchmarks.svg', baseUrl)
const START = '<!-- bench:start: written by `npm run bench`, do not edit by hand -->'
const END = '<!-- bench:end -->'

/** The rendered parts of a run. */
interface Shown {
  targets: string
  tables: string
  /** An SVG document. */
  chart: string
}

/** Writes a run into docs/benchmarks.md, between the two markers, and its chart to docs/benchmarks.svg. */
export function writeDocs (results: Results, shown: Shown): void {
  const text = readFileSync(page, 'utf8')
  const start = text.indexOf(START)
  const end = text.indexOf(END)
  if (start < 0 || end < start) throw new Error(`docs/benchmarks.md has no markers for the figures: add these two lines again: ${START} ${END}`)
  writeFileSync(picture, shown.chart)
  writeFileSync(page, `${text.slice(0, start)}${START}\n${section(results, shown)}\n${text.slice(end)}`)
}

function section ({ command, date, seconds, machine, versions, leftOut }: Results, { targets, tables }: Shown): string {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')
  return `
Made by \`${command}\` on ${date.slice(0, 10)} in ${Math.round(seconds / 60)} minutes: Node ${machine.node}, ${machine.platform}, ${machine.cpu}, ${machine.cores} cores.
${[`Packages: ${packages}.`, ...leftOut].join('\n')}
Medians of the rounds; less is better, except for deliveries and requests per second.

![Server CPU per delivery, by server, messages in flight and number of clients](benchmarks.svg)

${targets}

${tables}
`
}
