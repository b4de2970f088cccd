/** One element; attributes are written as they are, text inside is escaped. */
export function element (name: string, attributes: Record<string, string | number>, ...inside: string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${typeof value === 'number' ? Number(value.toFixed(1)) : value}"`).join('')
  return inside.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${inside.join('')}</${name}>`
}

/** A line of text; y is its baseline. */
export function label (x: number, y: number, text: string, attributes: Record<string, string | number>): string {
  return element('text', { x, y, ...attributes }, escaped(text))
}

/** A position for every value between the ends, on a logarithmic scale. */
export function logScale ([low, high]: [number, number], [from, to]: [number, number]): (value: number) => number {
  const share = (value: number): number => Math.log(value / low) / Math.log(high / low)
  return (value) => from + share(value) * (to - from)
}

/** The powers of ten from the one below the least value to the one above the greatest. */
export function decades (values: number[]): number[] {
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.ceil(Math.log10(Math.max(...values)))
  return Array.from({ length: Math.max(1, last - first) + 1 }, (_, i) => 10 ** (first + i))
}

function escaped (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
