const defaultPath = 'admin/ws'

// Reads `#token=…&path=…` from the address, and removes the fragment from the address bar and the history entry at
// once.
export function takeLink () {
  const fragment = new URLSearchParams(location.hash.slice(1))
  if (location.hash) history.replaceState(null, '', location.pathname + location.search)
  return { token: fragment.get('token') ?? '', path: fragment.get('path') ?? defaultPath }
}

// Returns the WebSocket address of a path. A path to another origin is replaced by the default, or the origin would get
// the token.
export function socketUrl (path) {
  const requested = resolve(path)
  const url = requested?.origin === location.origin ? requested : new URL(defaultPath, location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  url.hash = ''
  return url
}

// Tells whether a text can be sent as a token: the name of a subprotocol has token characters of RFC 9110 only.
export function isToken (text) {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(text)
}

function resolve (path) {
  try {
    return new URL(path, location.href)
  } catch {
    return null // Not a valid URL.
  }
}
