/**
 * Renders a Markdown table that is also readable in a terminal: the first column left-aligned, figures right-aligned.
 */
export function markdown ([header = [], ...rows]: string[][]): string {
  const widths = header.map((_, column) => Math.max(3, ...[header, ...rows].map((row) => (row[column] ?? '').length)))
  const line = (row: string[]): string => `| ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join(' | ')} |`
  const rule = widths.map((width, i) => i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}

/** Formats a number with a fixed number of decimals; an empty cell for a value that was not measured. */
export function cell (value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : ''
}

/** Formats a ratio; small ratios get one more decimal to stay distinguishable. */
export function ratioCell (ratio: number): string {
  return cell(ratio, ratio < 0.2 ? 3 : 2)
}
