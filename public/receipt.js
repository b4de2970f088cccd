// A receipt in words: "Offset 1763…: reached 12 of 13, 1 behind."
export function receiptText ({ offset, matched, written, behind, duplicate }) {
  const place = offset ? `Offset ${offset}` : 'Not kept in the log'
  if (duplicate) return `${place}: a duplicate, it was sent before.`
  if (matched === 0) return `${place}: nobody it is meant for is connected.`
  const missed = matched - written - behind
  const parts = [`reached ${written.toLocaleString('en')} of ${matched.toLocaleString('en')}`]
  if (behind > 0) parts.push(`${behind.toLocaleString('en')} behind`)
  if (missed > 0) parts.push(`${missed.toLocaleString('en')} not reached`)
  return `${place}: ${parts.join(', ')}.`
}
