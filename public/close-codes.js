// The close codes of RFC 6455 section 7.4.1 and of the hub, with a text for users. `retry`: the page reconnects by
// itself.
const closeCodes = new Map([
  [1000, { text: 'The server ended the connection.', retry: false }],
  [1001, { text: 'The server is going away.', retry: true }],
  [1002, { text: 'The server detected a protocol error.', retry: true }],
  [1003, { text: 'The server does not accept this kind of data.', retry: true }],
  [1005, { text: 'The server ended the connection without a reason.', retry: true }],
  [1006, { text: 'The connection was lost.', retry: true }],
  [1007, { text: 'The server could not read a message as text.', retry: true }],
  [1008, { text: 'The server closed the connection because of its policy.', retry: false }],
  [1009, { text: 'A message was too big for the server.', retry: false }],
  [1011, { text: 'The server had an internal error.', retry: true }],
  [1012, { text: 'The server restarts.', retry: true }],
  [1013, { text: 'The server accepts no connection at the moment.', retry: true }],
  [4000, { text: 'Disconnected by an operator.', retry: false }],
  [4001, { text: 'Another connection has replaced this one.', retry: false }],
  [4401, { text: 'The token has expired. Enter a new one.', retry: false, needsToken: true }],
  [4403, { text: 'The token has no right to connect here.', retry: false, needsToken: true }],
  [4408, { text: 'The server received no data from this page for too long.', retry: true }],
  [4410, { text: 'Messages that this page has missed are gone from the log.', retry: true }],
  [4413, { text: 'This page was too slow to receive its messages.', retry: true }],
  [4429, { text: 'This page sent too many messages.', retry: true }]
])

// Explains a close: a text for users with code and reason, whether the page reconnects, whether the page needs a new
// token.
export function explainClose (code, reason) {
  const known = closeCodes.get(code) ?? { text: 'The server closed the connection.', retry: true }
  const detail = reason ? `${known.text} Code ${code}: ${reason}` : `${known.text} Code ${code}.`
  return { detail, retry: known.retry, needsToken: known.needsToken ?? false }
}
