// A request that failed. `status` is 0 when no answer came; `code` is the hub's, such as HUB_FORBIDDEN.
export class ApiError extends Error {
  constructor (message, { status = 0, code = '', cause } = {}) {
    super(message, { cause })
    this.name = 'ApiError'
    this.status = status
    this.code = code
  }

  // Whether asking again is pointless until somebody changes the token.
  get final () {
    return this.status === 401 || this.status === 403
  }

  // What the server said, with its code.
  get said () {
    return this.code ? `${this.message} (${this.code})` : this.message
  }

  // The whole story in one or two sentences, for people.
  get words () {
    if (this.status === 401) return `Token refused: ${this.said}`
    if (this.status === 403) return `The token is good, but it may not do this: ${this.said}`
    return this.said
  }
}

// Turns an answer with an error status into an ApiError; a proxy's answer may not be the hub's JSON.
export async function errorOf (response) {
  const body = await response.json().catch(() => null) // not JSON: the status line has to do
  const { status, statusText } = response
  const message = typeof body?.message === 'string' ? body.message : `The server answered ${status} ${statusText}`.trim()
  return new ApiError(message, { status, code: typeof body?.code === 'string' ? body.code : '' })
}
