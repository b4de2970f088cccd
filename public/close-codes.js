// RFC 6455 section 7.4.1 and the hub's own codes, in plain words. `retry`: may the page connect again by itself?
const closeCodes = new Map([
  [1000, { words: 'The server ended the connection.', retry: false }],
  [1001, { words: 'The server is going away.', retry: true }],
  [1002, { words: 'The server saw a protocol error.', retry: true }],
  [1003, { words: 'The server does not take this kind of data.', retry: true }],
  [1005, { words: 'The server ended the connection without a reason.', retry: true }],
  [1006, { words: 'The connection was lost.', retry: true }],
  [1007, { words: 'The server could not read a message as text.', retry: true }],
  [1008, { words: 'The server refused the connection because of a rule.', retry: false }],
  [1009, { words: 'A message was too big for the server.', retry: false }],
  [1011, { words: 'The server had an internal error.', retry: true }],
  [1012, { words: 'The server restarts.', retry: true }],
  [1013, { words: 'The server is too busy.', retry: true }],
  [4000, { words: 'Disconnected by an operator.', retry: false }],
  [4001, { words: 'This connection was taken over by another one.', retry: false }],
  [4401, { words: 'The token has expired. Enter a new one.', retry: false, needsToken: true }],
  [4408, { words: 'The server saw no sign of life from this page.', retry: true }],
  [4410, { words: 'Messages that this page has missed are gone from the log.', retry: true }],
  [4413, { words: 'This page was too slow to take what the server sent.', retry: true }],
  [4429, { words: 'This page sent too many messages.', retry: true }]
])

// What a close means: words for people with code and reason, whether to connect again, whether the token is used up.
export function explainClose (code, reason) {
  const known = closeCodes.get(code) ?? { words: 'The server closed the connection.', retry: true }
  const detail = reason ? `${known.words} Code ${code}: ${reason}` : `${known.words} Code ${code}.`
  return { detail, retry: known.retry, needsToken: known.needsToken ?? false }
}
