// Formats a receipt as text: "Offset 1763…, stored: reached 12 of 14, 1 behind, 1 dropped."
export function receiptText ({ offset, stored, duplicate, ...counts }) {
  const prefix = `Offset ${offset}, ${stored ? 'stored' : 'not stored'}`
  if (duplicate) return `${prefix}: a duplicate, nothing was sent. The first time: ${reachText(counts)}.`
  return `${prefix}: ${reachText(counts)}.`
}

function reachText ({ matched, written, behind, dropped }) {
  if (matched === 0) return 'no recipient is connected'
  const parts = [`reached ${written.toLocaleString('en')} of ${matched.toLocaleString('en')}`]
  if (behind > 0) parts.push(`${behind.toLocaleString('en')} behind`)
  if (dropped > 0) parts.push(`${dropped.toLocaleString('en')} dropped`)
  return parts.join(', ')
}
