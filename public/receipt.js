// A receipt in words: "Offset 1763…: reached 12 of 14, 1 behind, 1 lost it."
export function receiptText ({ offset, matched, written, behind, dropped, duplicate }) {
  const place = offset ? `Offset ${offset}` : 'Not kept in the log'
  if (duplicate) return `${place}: a duplicate, it was sent before.`
  if (matched === 0) return `${place}: nobody it is meant for is connected.`
  const parts = [`reached ${written.toLocaleString('en')} of ${matched.toLocaleString('en')}`]
  if (behind > 0) parts.push(`${behind.toLocaleString('en')} behind`)
  if (dropped > 0) parts.push(`${dropped.toLocaleString('en')} lost it`)
  return `${place}: ${parts.join(', ')}.`
}
