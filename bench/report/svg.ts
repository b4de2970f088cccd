/** Renders one element; attributes and children are not escaped. */
export function element (name: string, attributes: Record<string, string | number>, ...inside: string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${typeof value === 'number' ? Number(value.toFixed(1)) : value}"`).join('')
  return inside.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${inside.join('')}</${name}>`
}

/** Renders one line of escaped text; y is its baseline. */
export function label (x: number, y: number, text: string, attributes: Record<string, string | number>): string {
  return element('text', { x, y, ...attributes }, escaped(text))
}

/** Returns a function that maps a value to a position on a logarithmic scale. */
export function logScale ([low, high]: [number, number], [from, to]: [number, number]): (value: number) => number {
  const share = (value: number): number => Math.log(value / low) / Math.log(high / low)
  return (value) => from + share(value) * (to - from)
}

/** Returns the powers of ten from just below the smallest value to just above the largest. */
export function decades (values: number[]): number[] {
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.ceil(Math.log10(Math.max(...values)))
  return Array.from({ length: Math.max(1, last - first) + 1 }, (_, i) => 10 ** (first + i))
}

function escaped (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
