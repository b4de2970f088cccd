import { createHash } from 'node:crypto'
import { createSigner, createVerifier, TokenError } from 'fast-jwt'
import { HubError } from '../model/errors.ts'
import { MAX_GROUPS, type Identity } from '../model/identity.ts'
import { MAX_ID_LENGTH, WELL_FORMED } from '../model/message.ts'

/** How tokens are signed and checked. */
export interface TokenOptions {
  /** HS256 key, at least 32 characters (RFC 7518 section 3.2). */
  readonly secret: string
  /**
   * The `iss` claim that a token must have and that new tokens get; '' accepts any issuer.
   * @default ''
   */
  readonly issuer?: string | undefined
  /**
   * The `aud` claim that a token must have and that new tokens get; '' accepts any audience.
   * @default ''
   */
  readonly audience?: string | undefined
  /**
   * How far the clock of the issuer may be ahead, in ms: a token counts as valid this long before its `nbf`.
   * @default 0
   */
  readonly clockTolerance?: number | undefined
}

/**
 * Determines the identity of a request; an application passes its own function to replace the hub's JWT check.
 *
 * @param token The token of the request, from `Authorization: Bearer`, a subprotocol `bearer.<token>`, `?token=` or
 *   `?access_token=`; null when the request carries no token.
 * @param request The request that asks to connect or calls a route.
 * @returns The identity, or null to refuse the request. A thrown HubError refuses the request with its code.
 */
export type Authenticate<Request> = (
  token: string | null, request: Request
) => Identity | null | Promise<Identity | null>

/**
 * Verifies a token and returns its identity.
 *
 * @throws {HubError} HUB_TOKEN_INVALID, HUB_TOKEN_EXPIRED
 */
export type TokenCheck = (token: string) => Identity

/** Characters that an unsigned token needs in demo mode. */
const DEMO_MIN_CHARACTERS = 20
/** Claim of the published subprotocol: groups that a connection joins on connecting. */
const GROUP_CLAIM = 'webpubsub.group'
/** Seconds since the epoch that a Date can hold at most (ECMAScript, section 21.4.1.1). */
const MAX_SECONDS = 8.64e12
const NOT_YET_VALID = 'The token is not valid yet: its "nbf" is in the future; compare the clocks of the issuer and of ' +
  'this service.'
const wellFormed = new RegExp(WELL_FORMED)

const isId = (text: string): boolean => wellFormed.test(text) && text.length <= MAX_ID_LENGTH

/**
 * Makes a check for JWTs (RFC 7519) that are signed with HS256; tokens with another algorithm are refused. `sub` is the
 * user, `role` one role or a list of roles, `exp` the expiry. Claims are read only after the signature is verified.
 */
export function createTokenCheck (options: TokenOptions): TokenCheck {
  const { secret, issuer = '', audience = '', clockTolerance = 0 } = options
  const verify = createVerifier({
    key: secret,
    algorithms: ['HS256'],
    // See toIdentity: fast-jwt has one tolerance for both times, and fails at a time that is out of range.
    ignoreExpiration: true,
    ignoreNotBefore: true,
    // The cache of fast-jwt finds tokens by a digest, and has mixed some up before; see token-cache.ts.
    cache: false,
    ...(issuer === '' ? {} : { allowedIss: issuer }),
    ...(audience === '' ? {} : { allowedAud: audience }),
    // fast-jwt compares a claim with the allowed values only when the token has that claim.
    requiredClaims: [...(issuer === '' ? [] : ['iss']), ...(audience === '' ? [] : ['aud'])]
  })
  return (token) => {
    let claims: unknown
    try {
      claims = verify(token)
    } catch (error) {
      throw refusal(error, options)
    }
    return toIdentity(claims, clockTolerance)
  }
}

/**
 * Makes a check for demo mode: valid JWTs count as usual, and any other token of at least 20 characters stands for a
 * user without roles, as in the Go original. Expired JWTs are refused.
 */
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

/**
 * A user without roles for an unsigned token. The user id is a digest: different for each token, and the token stays
 * secret.
 */
export function demoIdentity (token: string): Identity {
  return { user: `demo-${createHash('sha256').update(token).digest('hex').slice(0, 12)}`, roles: [] }
}

/** The claims of a new token. */
export interface TokenClaims {
  /** The `sub` claim: 1 to 256 characters. */
  readonly user: string
  /**
   * The `role` claim; "admin" may use the REST API and the console.
   * @default []
   */
  readonly roles?: readonly string[] | undefined
  /**
   * Groups that connections with this token join on connecting: the claim `webpubsub.group`.
   * @default []
   */
  readonly groups?: readonly string[] | undefined
  /** Seconds from now until the token expires. */
  readonly ttlSeconds: number
}

/**
 * Signs a token that the hub accepts when the hub's own `auth` settings have the same secret, issuer and audience.
 *
 * @returns A JWT (RFC 7519), signed with HS256.
 * @throws {Error} without a secret.
 * @example
 * ```ts
 * const token = createToken({ secret }, { user: 'bob', roles: ['admin'], ttlSeconds: 3600 })
 * const socket = new WebSocket(`wss://hub.example.org/admin/ws?token=${token}`)
 * ```
 */
export function createToken ({ secret, issuer = '', audience = '' }: TokenOptions, claims: TokenClaims): string {
  const { user, roles = [], groups = [], ttlSeconds } = claims
  if (typeof secret !== 'string' || secret === '') {
    throw new Error('createToken signs with a secret: pass the auth.secret of the hub.')
  }
  const sign = createSigner({
    key: secret,
    algorithm: 'HS256',
    expiresIn: ttlSeconds * 1000,
    ...(issuer === '' ? {} : { iss: issuer }),
    ...(audience === '' ? {} : { aud: audience })
  })
  return sign({
    sub: user,
    ...(roles.length > 0 ? { role: roles } : {}),
    ...(groups.length > 0 ? { [GROUP_CLAIM]: groups } : {})
  })
}

/**
 * The identity in verified claims.
 *
 * @throws {HubError} HUB_TOKEN_EXPIRED, without a tolerance: the connection of the token would be closed at once.
 *   HUB_TOKEN_INVALID for claims of another shape, and for a token that is not valid yet.
 */
function toIdentity (claims: unknown, clockTolerance: number): Identity {
  const record = (typeof claims === 'object' && claims !== null ? claims : {}) as Record<string, unknown>
  const { sub, role, [GROUP_CLAIM]: group } = record
  const [expiresAt, validFrom, issued] = [timeIn(record, 'exp'), timeIn(record, 'nbf'), timeIn(record, 'iat')]
  const now = Date.now()
  if (expiresAt !== undefined && expiresAt <= now) throw expired()
  if (validFrom !== undefined && validFrom > now + clockTolerance) throw invalid(NOT_YET_VALID)
  if (typeof sub !== 'string' || !isId(sub)) {
    throw invalid(`The token names no user: its "sub" must be a string of 1 to ${MAX_ID_LENGTH} characters.`)
  }
  const roles = toList(role, 'role')
  const groups = toList(group, GROUP_CLAIM)
  if (!groups.every(isId)) throw invalid(`The groups of the token must have names of 1 to ${MAX_ID_LENGTH} characters.`)
  if (groups.length > MAX_GROUPS) {
    throw invalid(`The token names ${groups.length} groups (${GROUP_CLAIM}); a client can be in ${MAX_GROUPS}.`)
  }
  const issuedAt = issued === undefined ? undefined : issued - clockTolerance
  return { user: sub, roles, ...(groups.length > 0 ? { groups, issuedAt } : {}), expiresAt }
}

/**
 * The time in a claim, in ms since the epoch; undefined without the claim.
 *
 * @throws {HubError} HUB_TOKEN_INVALID for a claim that is no number, and for a time that no Date can hold.
 */
function timeIn (claims: Record<string, unknown>, name: 'exp' | 'nbf' | 'iat'): number | undefined {
  const { [name]: seconds } = claims
  if (seconds === undefined) return undefined
  if (typeof seconds === 'number' && Math.abs(seconds) <= MAX_SECONDS) return seconds * 1000
  throw invalid(`The "${name}" of the token must be a number of seconds since 1970, of at most ${MAX_SECONDS}.`)
}

/** A claim that is one string or a list of strings, as a list; an absent claim is an empty list. */
function toList (claim: unknown, name: string): string[] {
  const list = typeof claim === 'string' ? [claim] : claim ?? []
  if (Array.isArray(list) && list.every((one) => typeof one === 'string')) return list
  throw invalid(`The "${name}" of the token must be a string or a list of strings.`)
}

/** The HubError for an error of the JWT library. */
function refusal (cause: unknown, options: TokenOptions): HubError {
  return new HubError('HUB_TOKEN_INVALID', sentenceFor(cause, options), { cause })
}

/** What is wrong with a token, and the remedy. The claims of a token are read after its signature has been verified. */
function sentenceFor (cause: unknown, { issuer = '', audience = '' }: TokenOptions): string {
  const code = cause instanceof TokenError ? cause.code : undefined
  const { malformed, invalidAlgorithm, missingRequiredClaim, invalidClaimValue } = TokenError.codes
  if (code === malformed) return 'The token is no JWT; send it as it was issued, without quotes or spaces.'
  if (code === invalidAlgorithm) return 'The token is signed with another algorithm than HS256.'
  const claims = [
    ...(issuer === '' ? [] : ['an "iss" of auth.issuer']), ...(audience === '' ? [] : ['an "aud" of auth.audience'])
  ]
  if ((code === missingRequiredClaim || code === invalidClaimValue) && claims.length > 0) {
    return `The token is for another service: it must have ${claims.join(' and ')}.`
  }
  return 'The token is not valid here; get one that is signed with the secret of this service.'
}

/** The error for a token that has expired. */
export function expired (): HubError {
  return new HubError('HUB_TOKEN_EXPIRED', 'The token has expired; get a new one.')
}

function invalid (sentence: string): HubError {
  return new HubError('HUB_TOKEN_INVALID', sentence)
}

/** Whether a token was refused because it has expired. */
export function isTokenExpired (error: unknown): boolean {
  return error instanceof HubError && error.code === 'HUB_TOKEN_EXPIRED'
}
