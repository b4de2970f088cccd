import type { Peer } from '../peers.ts'
import { rowsOf, type Column, type Scenario, type Table } from '../scenarios/scenario.ts'
import { figures, ratios, resolved, type Rounds } from './comparison.ts'
import { cell, markdown, ratioCell } from './markdown.ts'
import type { Results } from './results.ts'
import { median, spreadPercent } from './statistics.ts'

/** Renders all tables of a run as Markdown. */
export function report (results: Results, scenarios: Scenario[], peers: Peer[]): string {
  return scenarios
    .flatMap((scenario) => {
      const rows = rowsOf(scenario, peers)
      const rounds = results.samples[scenario.id] ?? {}
      return rows.length === 0 ? [] : scenario.tables.map((table) => render(table, rows, rounds))
    })
    .join('\n\n')
}

function render ({ title, columns, note }: Table, rows: Peer[], rounds: Rounds): string {
  const name = (id: string): string => rows.find((row) => row.id === id)?.name ?? id
  const header = ['', ...columns.flatMap((column) => [column.heading, ...references(column, rounds).map((id) => `× ${name(id)}`)])]
  const lines = rows.map((row) => [row.name, ...columns.flatMap((column) => cells(column, rounds, row.id))])
  const below = [noise(columns, rows, rounds), note].filter((text) => text !== undefined)
  return [`**${title}**`, markdown([header, ...lines]), ...below].join('\n\n')
}

function cells (column: Column, rounds: Rounds, row: string): string[] {
  const { metric, digits } = column
  return [
    cell(median(figures(rounds, row, metric)), digits),
    ...references(column, rounds).map((id) => ratioCell(median(ratios(rounds, row, metric, id))))
  ]
}

function references ({ against = [] }: Column, rounds: Rounds): string[] {
  return against.map((id) => resolved(id, rounds)).filter((id) => id !== undefined)
}

function noise (columns: Column[], rows: Peer[], rounds: Rounds): string | undefined {
  const compared = columns.filter(({ against }) => against !== undefined)
  const spreads = rows.flatMap(({ id }) => compared.map(({ metric }) => spreadPercent(figures(rounds, id, metric)))).filter(Number.isFinite)
  const comparisons = rows.flatMap(({ id }) => compared.flatMap((column) => references(column, rounds)
    .filter((reference) => reference !== id)
    .map((reference) => spreadPercent(ratios(rounds, id, column.metric, reference))))).filter(Number.isFinite)
  if (!(Math.max(...spreads) > 0)) return undefined
  const compares = comparisons.length === 0 ? '' : `, a comparison by ${range(comparisons)}`
  return `Highest and lowest round differ: a figure by ${range(spreads)}${compares}.`
}

function range (percents: number[]): string {
  return `${median(percents).toFixed(0)} % (median; at most ${Math.max(...percents).toFixed(0)} %)`
}
