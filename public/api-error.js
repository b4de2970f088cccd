// A failed request. `status` is the HTTP status, 0 without a response; `code` is the hub's error code, such as
// HUB_FORBIDDEN.
export class ApiError extends Error {
  constructor (message, { status = 0, code = '', cause } = {}) {
    super(message, { cause })
    this.name = 'ApiError'
    this.status = status
    this.code = code
  }

  // Whether a retry with the same token fails as well.
  get isFinal () {
    return this.status === 401 || this.status === 403
  }

  // The message of the server, with its code.
  get messageWithCode () {
    return this.code ? `${this.message} (${this.code})` : this.message
  }

  // An explanation for users, in one or two sentences.
  get explanation () {
    if (this.status === 401) return `Token refused: ${this.messageWithCode}`
    if (this.status === 403) return `The token is good, but it may not do this: ${this.messageWithCode}`
    return this.messageWithCode
  }
}

// Converts a response with an error status to an ApiError. The response of a proxy may have another form than the hub's
// JSON.
export async function toApiError (response) {
  const body = await response.json().catch(() => null) // Not JSON: the error has the status line only.
  const { status, statusText } = response
  const message = typeof body?.message === 'string' ? body.message : `The server answered ${status} ${statusText}`.trim()
  return new ApiError(message, { status, code: typeof body?.code === 'string' ? body.code : '' })
}
