/** A Markdown table that is readable in a terminal too: the first column to the left, figures to the right. */
export function markdown ([header = [], ...rows]: string[][]): string {
  const widths = header.map((_, column) => Math.max(3, ...[header, ...rows].map((row) => (row[column] ?? '').length)))
  const line = (row: string[]): string => `| ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join(' | ')} |`
  const rule = widths.map((width, i) => i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}

/** A number with so many digits after the point; nothing where nothing was measured. */
export function cell (value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : ''
}

/** A ratio; small ones with one digit more, or they would all look alike. */
export function ratioCell (ratio: number): string {
  return cell(ratio, ratio < 0.2 ? 3 : 2)
}
