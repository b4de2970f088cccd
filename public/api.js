import { ApiError, toApiError } from './api-error.js'

const responseTimeoutMs = 15_000

// The hub's REST API. Every method rejects with an ApiError only. `token` is a function, called before each request.
export class Api {
  #base
  #token

  constructor (base, token) {
    this.#base = base
    this.#token = token
  }

  // Lists clients of a user, of a group or of all: { total, clients, next }. `after` is the `next` of the previous
  // page.
  async clients ({ limit = 50, after, user, group } = {}) {
    const path = group ? `groups/${segment(group)}/clients` : 'clients'
    return this.#call('GET', path + query({ limit, after, user }))
  }

  // Returns the current state of one client.
  async client (clientId) {
    return this.#call('GET', `clients/${segment(clientId)}`)
  }

  // Disconnects a client: { disconnected }, the number of closed connections.
  async disconnect (clientId) {
    return this.#call('DELETE', `clients/${segment(clientId)}`)
  }

  // Lists groups that have members: { groups, next }. `after` is the `next` of the previous page.
  async groups ({ limit = 8, after } = {}) {
    return this.#call('GET', `groups${query({ limit, after })}`)
  }

  // Makes a client a member of a group: { group, member }.
  async join (clientId, group) {
    return this.#call('PUT', `groups/${segment(group)}/clients/${segment(clientId)}`)
  }

  // Removes a client from a group: { group, member }.
  async leave (clientId, group) {
    return this.#call('DELETE', `groups/${segment(group)}/clients/${segment(clientId)}`)
  }

  // Reads the inbox of a user: { user, count, oldest, dropped, cursors }.
  async inbox (user) {
    return this.#call('GET', `users/${segment(user)}/inbox`)
  }

  // Removes all messages to a user: { purged }, the number of removed messages.
  async purge (user) {
    return this.#call('DELETE', `users/${segment(user)}/inbox`)
  }

  // Reads the status of a message: { offset, address, at, total, users }.
  async messageStatus (offset) {
    return this.#call('GET', `messages/${offset}`)
  }

  // Publishes to { kind: 'everyone' }, or to { kind, id } with the kind user, group or client. Returns the receipt.
  async publish (target, message) {
    return this.#call('POST', pathTo(target), { message })
  }

  // Finds out why an upgrade failed: { refused, detail }. Only a refused token is final.
  async probe () {
    try {
      await this.clients({ limit: 1 })
      return { refused: false, detail: 'The token is good, but the WebSocket could not be opened.' }
    } catch (err) {
      if (err.status === 401) return { refused: true, detail: err.messageWithCode }
      if (err.status === 403) return { refused: false, detail: 'The WebSocket could not be opened.' }
      return { refused: false, detail: err.explanation }
    }
  }

  async #call (method, path, body) {
    const response = await this.#fetch(method, path, body)
    if (!response.ok) throw await toApiError(response)
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
        signal: AbortSignal.timeout(responseTimeoutMs)
      })
    } catch (cause) {
      const isTimeout = cause.name === 'TimeoutError'
      throw new ApiError(isTimeout ? 'The server did not answer in time.' : 'The server cannot be reached.', { cause })
    }
  }
}

function pathTo (target) {
  if (target.kind === 'everyone') return 'broadcast'
  return `${target.kind}s/${segment(target.id)}/messages`
}

function query (values) {
  const present = Object.entries(values).filter(([, value]) => value)
  return `?${new URLSearchParams(present)}`
}

// Encodes an id as one segment of a path. Browsers remove the segments "." and ".." in every notation, so these ids are
// refused.
function segment (id) {
  if (id === '.' || id === '..' || !id.isWellFormed()) throw new ApiError('This id cannot be written in an address.')
  return encodeURIComponent(id)
}
