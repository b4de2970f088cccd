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

  // { total, clients, next }; `after` is the id that the page before ended with.
  async clients ({ limit = 50, after, user } = {}) {
    const query = new URLSearchParams({ limit })
    if (after) query.set('after', after)
    if (user) query.set('user', user)
    return this.#call('GET', `clients?${query}`)
  }

  // { disconnected }
  async disconnect (clientId) {
    return this.#call('DELETE', `clients/${segment(clientId)}`)
  }

  // Sends to { kind: 'everyone' }, { kind: 'user', id } or { kind: 'client', id }; gives the receipt.
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

// An id as one segment of a path. Browsers resolve a "." or ".." away, however it is written.
function segment (id) {
  if (id === '.' || id === '..' || !id.isWellFormed()) throw new ApiError('This id cannot be written in an address.')
  return encodeURIComponent(id)
}
