import { baseline, peers as allPeers, type Peer } from './peers.ts'
import type { Results } from './results.ts'
import type { Column, Sample, Scenario, Table } from './scenarios/scenario.ts'
import { median, spreadPercent } from './statistics.ts'

type Samples = Record<string, Sample[]>

const comparison = `× ${allPeers.find(({ id }) => id === baseline)?.name ?? baseline}`

/** All tables of a run as Markdown, which is readable in a terminal too. */
export function report (results: Results, scenarios: Scenario[], peers: Peer[]): string {
  return scenarios
    .flatMap(({ id, tables }) => tables.map((table) => renderTable(table, peers, results.samples[id] ?? {})))
    .join('\n\n')
}

function renderTable (table: Table, peers: Peer[], samples: Samples): string {
  const header = ['', ...table.columns.flatMap(({ heading, compared }) => compared ? [heading, comparison] : [heading])]
  const rows = peers.map(({ id, name }) => [name, ...table.columns.flatMap((column) => cells(column, samples, id))])
  return `**${table.title}**\n\n${markdown([header, ...rows])}${noise(table, peers, samples)}`
}

function cells (column: Column, samples: Samples, peer: string): string[] {
  const values = metric(samples[peer], column)
  const value = median(values).toFixed(column.digits)
  if (!column.compared) return [value]
  const reference = metric(samples[baseline], column)
  // Compared within each round: what slows the machine down slows both.
  const ratios = values.map((each, round) => each / (reference[round] ?? Number.NaN))
  return [value, reference.length === 0 ? '' : times(median(ratios))]
}

function times (ratio: number): string {
  return ratio.toFixed(ratio < 0.1 ? 3 : 2)
}

function noise (table: Table, peers: Peer[], samples: Samples): string {
  const compared = table.columns.filter((column) => column.compared)
  const spreads = peers.flatMap(({ id, name }) => compared.map((column) => {
    return { percent: spreadPercent(metric(samples[id], column)), of: compared.length > 1 ? `${name}, ${column.heading}` : name }
  })).sort((a, b) => b.percent - a.percent)
  const [widest] = spreads
  if (widest === undefined || !(widest.percent > 0)) return ''
  const typical = median(spreads.map(({ percent }) => percent))
  return `\n\nBetween the rounds a figure moved by ${typical.toFixed(0)} % (median), at most by ${widest.percent.toFixed(0)} % (${widest.of}).`
}

function metric (samples: Sample[] | undefined, column: Column): number[] {
  return (samples ?? []).map((sample) => sample[column.metric] ?? Number.NaN)
}

function markdown ([header = [], ...rows]: string[][]): string {
  const widths = header.map((_, column) => Math.max(3, ...[header, ...rows].map((row) => (row[column] ?? '').length)))
  const line = (row: string[]): string => `| ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join(' | ')} |`
  const rule = widths.map((width, i) => i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}
