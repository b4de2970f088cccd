const shownChars = 2_000
const shownBytes = 24

// Formats a WebSocket frame as text of bounded length: long text is cut, binary data becomes its size and first bytes
// in hex.
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
