import { createSigner } from 'fast-jwt'

/** The HS256 secret with which the server under test verifies tokens. */
export const secret = 'a secret for benchmarks only: nobody should ever use it for anything else'

const sign = createSigner({ key: secret, expiresIn: 3_600_000 })

/** Returns the name of the user with this number. */
export function userName (user: number): string {
  return `user-${user}`
}

/** Returns a token for the user with this number, valid for one hour. */
export function token (user: number): string {
  return sign({ sub: userName(user) })
}

/** Returns a token of a user who may publish over HTTP. */
export function adminToken (): string {
  return sign({ sub: 'sender', role: 'admin' })
}
