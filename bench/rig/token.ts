import { createSigner } from 'fast-jwt'

/** The HS256 secret that the server under test checks tokens with. */
export const secret = 'a secret for benchmarks only: nobody should ever use it for anything else'

const sign = createSigner({ key: secret, expiresIn: 3_600_000 })

/** What the user with this number is called. */
export function userName (user: number): string {
  return `user-${user}`
}

/** A token for the user with this number, valid for one hour. */
export function token (user: number): string {
  return sign({ sub: userName(user) })
}

/** A token for somebody who may send messages over HTTP. */
export function adminToken (): string {
  return sign({ sub: 'sender', role: 'admin' })
}
