// A receipt in words: "Offset 1763…, stored: reached 12 of 14, 1 behind, 1 lost it."
export function receiptText ({ offset, stored, duplicate, ...counts }) {
  const place = `Offset ${offset}, ${stored ? 'stored' : 'not stored'}`
  if (duplicate) return `${place}: a duplicate, nothing was sent. The first time: ${reachText(counts)}.`
  return `${place}: ${reachText(counts)}.`
}

function reachText ({ matched, written, behind, dropped }) {
  if (matched === 0) return 'nobody it is meant for is connected'
  const parts = [`reached ${written.toLocaleString('en')} of ${matched.toLocaleString('en')}`]
  if (behind > 0) parts.push(`${behind.toLocaleString('en')} behind`)
  if (dropped > 0) parts.push(`${dropped.toLocaleString('en')} lost it`)
  return parts.join(', ')
}
