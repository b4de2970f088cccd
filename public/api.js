import { ApiError, errorOf } from './api-error.js'

const answerMs = 15_000

// The hub's REST API; every method rejects with an ApiError and with nothing else. `token` is asked before each request.
export class Api {
  #base
  #token

  constructor (base, token) {
    this.#base = base
    this.#token = token
  }

  // { total, clients, next } of a user, of a group or of all; `after` is the `next` of the page before.
  async clients ({ limit = 50, after, user, group } = {}) {
    const path = group ? `groups/${segment(group)}/clients` : 'clients'
    return this.#call('GET', path + query({ limit, after, user }))
  }

  // One client as it is now.
  async client (clientId) {
    return this.#call('GET', `clients/${segment(clientId)}`)
  }

  // { disconnected }
  async disconnect (clientId) {
    return this.#call('DELETE', `clients/${segment(clientId)}`)
  }

  // { groups, next }
  async groups ({ limit = 8, after } = {}) {
    return this.#call('GET', `groups${query({ limit, after })}`)
  }

  async join (clientId, group) {
    return this.#call('PUT', `groups/${segment(group)}/clients/${segment(clientId)}`)
  }

  async leave (clientId, group) {
    return this.#call('DELETE', `groups/${segment(group)}/clients/${segment(clientId)}`)
  }

  // { user, count, oldest, dropped, cursors }
  async inbox (user) {
    return this.#call('GET', `users/${segment(user)}/inbox`)
  }

  // { purged }
  async purge (user) {
    return this.#call('DELETE', `users/${segment(user)}/inbox`)
  }

  // { offset, address, at, users }
  async fate (offset) {
    return this.#call('GET', `messages/${offset}`)
  }

  // Sends to { kind: 'everyone' }, or to { kind, id } with the kind user, group or client; gives the receipt.
  async push (target, message) {
    return this.#call('POST', pathTo(target), { message })
  }

  // Why an upgrade failed: only a refused token is final.
  async probe () {
    try {
      await this.clients({ limit: 1 })
      return { refused: false, detail: 'The token is good, but the WebSocket could not be opened.' }
    } catch (err) {
      if (err.status === 401) return { refused: true, detail: err.said }
      if (err.status === 403) return { refused: false, detail: 'The WebSocket could not be opened.' }
      return { refused: false, detail: err.words }
    }
  }

  async #call (method, path, body) {
    const response = await this.#fetch(method, path, body)
    if (!response.ok) throw await errorOf(response)
    return response.json().catch(cause => {
      throw new ApiError('The server’s answer could not be read.', { status: response.status, cause })
    })
  }

  async #fetch (method, path, body) {
    const headers = { authorization: `Bearer ${this.#token()}` }
    if (body) headers['content-type'] = 'application/json'
    try {
      return await fetch(new URL(path, this.#base), {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: AbortSignal.timeout(answerMs)
      })
    } catch (cause) {
      const late = cause.name === 'TimeoutError'
      throw new ApiError(late ? 'The server did not answer in time.' : 'The server cannot be reached.', { cause })
    }
  }
}

function pathTo (target) {
  if (target.kind === 'everyone') return 'broadcast'
  return `${target.kind}s/${segment(target.id)}/messages`
}

function query (values) {
  const given = Object.entries(values).filter(([, value]) => value)
  return `?${new URLSearchParams(given)}`
}

// An id as one segment of a path. Browsers resolve a "." or ".." away, however it is written.
function segment (id) {
  if (id === '.' || id === '..' || !id.isWellFormed()) throw new ApiError('This id cannot be written in an address.')
  return encodeURIComponent(id)
}
