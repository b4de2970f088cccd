import { readFileSync, writeFileSync } from 'node:fs'
import { baseUrl } from './paths.ts'
import type { Results } from './results.ts'

const page = new URL('docs/benchmarks.md', baseUrl)
const START = '<!-- bench:start: written by `npm run bench`, do not edit by hand -->'
const END = '<!-- bench:end -->'

/** Puts the tables of a run into docs/benchmarks.md, between the two markers. */
export function writeDocs (results: Results, tables: string): void {
  const text = readFileSync(page, 'utf8')
  const start = text.indexOf(START)
  const end = text.indexOf(END)
  if (start < 0 || end < start) throw new Error(`docs/benchmarks.md has lost its markers: put these two lines back in: ${START} ${END}`)
  writeFileSync(page, `${text.slice(0, start)}${START}\n${section(results, tables)}\n${text.slice(end)}`)
}

function section ({ command, date, seconds, machine, versions, effort }: Results, tables: string): string {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')
  return `
Made by \`${command}\` on ${date.slice(0, 10)} in ${Math.round(seconds / 60)} minutes: Node ${machine.node}, ${machine.platform}, ${machine.cpu}, ${machine.cores} cores.
Packages: ${packages}.
Medians of ${effort.rounds} rounds; less is better, except for deliveries per second.

${tables}
`
}
