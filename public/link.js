const defaultPath = 'admin/ws'

// Reads `#token=…&path=…` from the address and takes it out of the address bar and the history entry at once.
export function takeLink () {
  const fragment = new URLSearchParams(location.hash.slice(1))
  if (location.hash) history.replaceState(null, '', location.pathname + location.search)
  return { token: fragment.get('token') ?? '', path: fragment.get('path') ?? defaultPath }
}

// The WebSocket address for a path; a path that leads to another origin would hand it the token, so the default is used.
export function socketUrl (path) {
  const wanted = resolve(path)
  const url = wanted?.origin === location.origin ? wanted : new URL(defaultPath, location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  url.hash = ''
  return url
}

// Whether a text can travel as a token: in a subprotocol name only RFC 9110 token characters may stand.
export function isToken (text) {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(text)
}

function resolve (path) {
  try {
    return new URL(path, location.href)
  } catch {
    return null // not an address at all
  }
}
