const shownChars = 2_000
const shownBytes = 24

// A WebSocket frame as one text that is safe to lay out: long text is cut, binary becomes its size and first bytes in hex.
export function frameText (data) {
  return typeof data === 'string' ? cut(data) : hex(new Uint8Array(data))
}

function cut (text) {
  if (text.length <= shownChars) return text
  return `${text.slice(0, shownChars)}… (${text.length.toLocaleString('en')} characters in all)`
}

function hex (bytes) {
  const start = Array.from(bytes.subarray(0, shownBytes), byte => byte.toString(16).padStart(2, '0')).join(' ')
  const more = bytes.length > shownBytes ? ' …' : ''
  return `binary, ${bytes.length.toLocaleString('en')} B: ${start}${more}`
}
