import { createHash } from 'node:crypto'
import { createSigner, createVerifier, TokenError } from 'fast-jwt'
import { HubError } from '../model/errors.ts'
import type { Identity } from '../model/identity.ts'
import { MAX_ID_LENGTH, WELL_FORMED } from '../model/message.ts'

/** How tokens are made and checked. */
export interface TokenOptions {
  /** HS256 key, at least 32 characters (RFC 7518 section 3.2). */
  readonly secret: string
  /** Expected `iss`; '' accepts any. */
  readonly issuer?: string
  /** Expected `aud`; '' accepts any. */
  readonly audience?: string
}

/**
 * Says who a request comes from. `token` is what the request carries in one of the usual places, null if nothing.
 * Null, or a thrown HubError, refuses the request.
 */
export type Authenticate<Request> = (token: string | null, request: Request) => Identity | null | Promise<Identity | null>

/** Turns a token into an identity, or throws a HubError: HUB_TOKEN_INVALID, HUB_TOKEN_EXPIRED. */
export type TokenCheck = (token: string) => Identity

const DEMO_MIN_CHARACTERS = 20
/** The claim of the published subprotocol for groups to begin in. */
const GROUP_CLAIM = 'webpubsub.group'
const isId = new RegExp(WELL_FORMED)

/**
 * Checks JWTs (RFC 7519) signed with HS256, and with nothing else: `sub` is the user, `role` a role or a list of them,
 * `exp` the end. Nothing in a token is believed before its signature is.
 */
export function createTokenCheck ({ secret, issuer = '', audience = '' }: TokenOptions): TokenCheck {
  const verify = createVerifier({
    key: secret,
    algorithms: ['HS256'],
    // Its cache finds tokens by a digest, and has mixed some up before; see verified-tokens.ts.
    cache: false,
    ...(issuer === '' ? {} : { allowedIss: issuer }),
    ...(audience === '' ? {} : { allowedAud: audience }),
    // What is allowed is only looked at when it is there.
    requiredClaims: [...(issuer === '' ? [] : ['iss']), ...(audience === '' ? [] : ['aud'])]
  })
  return (token) => {
    let claims: unknown
    try {
      claims = verify(token)
    } catch (error) {
      throw refusal(error)
    }
    return toIdentity(claims)
  }
}

/** Takes what the JWT check takes, and any other token of at least 20 characters as a user without roles, as the Go original did. */
export function createDemoTokenCheck (checkJwt: TokenCheck): TokenCheck {
  return (token) => {
    try {
      return checkJwt(token)
    } catch (error) {
      if ([...token].length < DEMO_MIN_CHARACTERS || isTokenExpired(error)) throw error
      return demoIdentity(token)
    }
  }
}

/** A user without roles for a token that nobody has signed: the name tells tokens apart without giving them away. */
export function demoIdentity (token: string): Identity {
  return { user: `demo-${createHash('sha256').update(token).digest('hex').slice(0, 12)}`, roles: [] }
}

/** What a new token says. */
export interface TokenClaims {
  readonly user: string
  readonly roles?: readonly string[]
  /** Groups that its connections join. */
  readonly groups?: readonly string[]
  /** Seconds until it ends. */
  readonly ttlSeconds: number
}

/** Makes a token that `createTokenCheck` with the same options accepts. */
export function createToken ({ secret, issuer = '', audience = '' }: TokenOptions, { user, roles = [], groups = [], ttlSeconds }: TokenClaims): string {
  const sign = createSigner({
    key: secret,
    algorithm: 'HS256',
    expiresIn: ttlSeconds * 1000,
    ...(issuer === '' ? {} : { iss: issuer }),
    ...(audience === '' ? {} : { aud: audience })
  })
  return sign({ sub: user, ...(roles.length > 0 ? { role: roles } : {}), ...(groups.length > 0 ? { [GROUP_CLAIM]: groups } : {}) })
}

function toIdentity (claims: unknown): Identity {
  const { sub, role, exp, [GROUP_CLAIM]: group } = (typeof claims === 'object' && claims !== null ? claims : {}) as Record<string, unknown>
  if (typeof sub !== 'string' || !isId.test(sub) || sub.length > MAX_ID_LENGTH) {
    throw new HubError('HUB_TOKEN_INVALID', `The token names no user: its "sub" must be a string of 1 to ${MAX_ID_LENGTH} characters.`)
  }
  const [roles, groups] = [toList(role, 'role'), toList(group, GROUP_CLAIM)]
  if (!groups.every((one) => isId.test(one) && one.length <= MAX_ID_LENGTH)) throw new HubError('HUB_TOKEN_INVALID', `The groups of the token must have names of 1 to ${MAX_ID_LENGTH} characters.`)
  return { user: sub, roles, ...(groups.length > 0 ? { groups } : {}), expiresAt: typeof exp === 'number' ? exp * 1000 : undefined }
}

/** A claim that may be one string or a list of them. */
function toList (claim: unknown, name: string): string[] {
  const list = typeof claim === 'string' ? [claim] : claim ?? []
  if (Array.isArray(list) && list.every((one) => typeof one === 'string')) return list
  throw new HubError('HUB_TOKEN_INVALID', `The "${name}" of the token must be a string or a list of strings.`)
}

function refusal (error: unknown): HubError {
  if (error instanceof TokenError && error.code === TokenError.codes.expired) {
    return new HubError('HUB_TOKEN_EXPIRED', 'The token has expired; get a new one.', { cause: error })
  }
  return new HubError('HUB_TOKEN_INVALID', 'The token is not valid here; get one that is signed with the secret of this service.', { cause: error })
}

/** Whether a token was refused because its time is over. */
export function isTokenExpired (error: unknown): boolean {
  return error instanceof HubError && error.code === 'HUB_TOKEN_EXPIRED'
}
