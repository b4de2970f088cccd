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
  const value = median(metric(samples[peer], column)).toFixed(column.digits)
  if (!column.compared) return [value]
  const ratio = median(ratios(column, samples, peer))
  return [value, Number.isNaN(ratio) ? '' : ratio.toFixed(ratio < 0.1 ? 3 : 2)]
}

// Compared within each round: what slows the machine down slows both.
function ratios (column: Column, samples: Samples, peer: string): number[] {
  const reference = metric(samples[baseline], column)
  return metric(samples[peer], column).map((value, round) => value / (reference[round] ?? Number.NaN))
}

function noise (table: Table, peers: Peer[], samples: Samples): string {
  const compared = table.columns.filter((column) => column.compared)
  const others = peers.filter(({ id }) => id !== baseline)
  const figures = peers.flatMap(({ id }) => compared.map((column) => spreadPercent(metric(samples[id], column))))
  const comparisons = others.flatMap(({ id }) => compared.map((column) => spreadPercent(ratios(column, samples, id))))
  if (!(Math.max(...figures) > 0)) return ''
  const compares = Number.isNaN(median(comparisons)) ? '' : `, a comparison by ${range(comparisons)}`
  return `\n\nHighest and lowest round differ: a figure by ${range(figures)}${compares}.`
}

function range (percents: number[]): string {
  return `${median(percents).toFixed(0)} % (median; at most ${Math.max(...percents).toFixed(0)} %)`
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
