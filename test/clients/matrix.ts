import { readFileSync, writeFileSync } from 'node:fs'
import { packagePath } from '../../services/cli/package.ts'
import type { ForeignClient } from './clients.ts'
import type { Job } from './jobs.ts'

const PAGE = packagePath('docs', 'clients.md')
const TABLE = /(<!-- clients -->\n)[^]*(<!-- end of clients -->)/

/** The results of a client: `ok`, the faults, or undefined for a job that was not run. */
export interface Row {
  readonly client: ForeignClient
  readonly results: ReadonlyMap<string, string>
}

/** The matrix as plain text. */
export function asText (rows: readonly Row[], jobs: readonly Job[]): string[] {
  const table = [
    ['client', 'version', ...jobs.map(({ name }) => name)],
    ...rows.map(({ client: { name, version }, results }) => [name, version, ...jobs.map((job) => cell(results.get(job.name)))])
  ]
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? []
  return table.map((row) => row.map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}

/** The rows of the table in the documentation, one for each client. */
export function asDocumentation (rows: readonly Row[], jobs: readonly Job[]): string[] {
  return rows.map(({ client, results }) => {
    const version = client.version === '' ? 'installed' : client.version
    const cells = [`\`${client.name}\``, client.language, version, ...jobs.map((job) => cell(results.get(job.name))), client.resumes, client.advice]
    return `| ${cells.join(' | ')} |`
  })
}

/** The lines of the table in the documentation. */
export function documentedLines (): string[] {
  return (TABLE.exec(readFileSync(PAGE, 'utf8'))?.[0] ?? '').split('\n')
}

/** Replaces the table in the documentation. */
export function writeDocumentation (rows: readonly Row[], jobs: readonly Job[]): void {
  const names = ['client', 'language', 'version', ...jobs.map(({ name }) => name), 'resumes', 'what to configure']
  const head = [`| ${names.join(' | ')} |`, `|${'---|'.repeat(names.length)}`]
  const list = jobs.map(({ name, description }) => `- **${name}**: the client ${description}.`)
  const content = `\n${list.join('\n')}\n\n${[...head, ...asDocumentation(rows, jobs)].join('\n')}\n\n`
  writeFileSync(PAGE, readFileSync(PAGE, 'utf8').replace(TABLE, (_, start: string, end: string) => start + content + end))
}

function cell (result: string | undefined): string {
  return result === undefined ? '-' : result === 'ok' ? 'ok' : 'FAIL'
}
