// Tokens that attack the check of a token, by the header or by the claims (RFC 7519, RFC 8725).
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createTokenCheck, type TokenOptions } from '../../../services/auth/token.ts'
import { cacheVerifiedTokens } from '../../../services/auth/token-cache.ts'
import { SECRET } from '../../support/helper.ts'

const check = createTokenCheck({ secret: SECRET })
const now = () => Math.floor(Date.now() / 1000)
const encode = (part: unknown): string => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')

/** Signs any header and any claims with HMAC, whatever the header says. */
function sign (header: unknown, claims: unknown = { sub: 'mallory' }, { key = SECRET, hash = 'sha256' } = {}): string {
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${createHmac(hash, key).update(text).digest('base64url')}`
}

const HS256 = { alg: 'HS256', typ: 'JWT' }
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString()

/** The code with which each token is refused; the identity of an accepted token. */
function results (tokens: Record<string, string>, options: Partial<TokenOptions> = {}): Record<string, unknown> {
  const check = createTokenCheck({ secret: SECRET, ...options })
  return Object.fromEntries(Object.entries(tokens).map(([title, token]) => {
    try {
      return [title, check(token)]
    } catch (error) {
      return [title, (error as { code?: unknown }).code ?? error]
    }
  }))
}

/** Asserts that all tokens are refused as invalid. */
function allInvalid (t: Test, tokens: Record<string, string>, options?: Partial<TokenOptions>): void {
  const expected = Object.fromEntries(Object.keys(tokens).map((title) => [title, 'HUB_TOKEN_INVALID']))
  t.strictSame(results(tokens, options), expected)
}

t.test('only a signature with HS256 and the secret counts, whatever the header says', async (t) => {
  t.match(check(sign(HS256)), { user: 'mallory' }, 'the tokens of this test are well formed')
  allInvalid(t, {
    ...Object.fromEntries(['none', 'None', 'nOnE', '', 'hs256', 'HS384', 'RS256', 'ES256', 'EdDSA', '__proto__'].map((alg) => [`alg ${alg}`, sign({ alg, typ: 'JWT' })])),
    'no alg': sign({ typ: 'JWT' }),
    'an alg that is a list': sign({ alg: ['HS256'] }),
    'an unsigned token': `${encode({ alg: 'none' })}.${encode({ sub: 'mallory' })}.`,
    'an empty signature': `${sign(HS256).split('.').slice(0, 2).join('.')}.`,
    'an empty key': sign(HS256, undefined, { key: '' }),
    'a key of spaces': sign(HS256, undefined, { key: ' '.repeat(32) }),
    'a public key as the secret': sign(HS256, undefined, { key: PEM }),
    'a public key behind a line feed': sign(HS256, undefined, { key: `\n${PEM}` }),
    'the secret and a line feed': sign(HS256, undefined, { key: `${SECRET}\n` }),
    'another hash': sign(HS256, undefined, { hash: 'sha512' }),
    'HS512 in the header too': sign({ alg: 'HS512' }, undefined, { hash: 'sha512' })
  })
})

t.test('a key or a key address in the header is ignored, and nothing is fetched', async (t) => {
  let connections = 0
  const server = createServer((socket) => { connections++; socket.destroy() }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
  const own = 'a key of the attacker, long enough for HS256'
  const headers = { jwk: { kty: 'oct', k: encode(own), alg: 'HS256' }, jku: address, x5u: address, x5c: [PEM], kid: '../../../../dev/null' }
  for (const [name, value] of Object.entries(headers)) {
    allInvalid(t, { [name]: sign({ ...HS256, [name]: value }, undefined, { key: own }) })
    t.match(check(sign({ ...HS256, [name]: value })), { user: 'mallory' }, `${name} changes nothing with the right key`)
  }
  allInvalid(t, { iss: sign(HS256, { sub: 'mallory', iss: address }, { key: own }) }, { issuer: address })
  t.equal(connections, 0)
})

t.test('an extension that the token calls critical is unknown, and the token is refused', async (t) => {
  allInvalid(t, {
    'an extension': sign({ ...HS256, crit: ['exp'], exp: 1 }),
    'an extension of RFC 7797': sign({ ...HS256, crit: ['b64'], b64: false }),
    'an absent extension': sign({ ...HS256, crit: ['x'] }),
    'no list': sign({ ...HS256, crit: 'x' }),
    'an empty list': sign({ ...HS256, crit: [] })
  })
})

t.test('what is no JWT is refused without an internal error', async (t) => {
  const [header = '', claims = '', signature = ''] = sign(HS256).split('.')
  allInvalid(t, {
    'an empty token': '', dots: '..', 'two parts': `${header}.${claims}`, 'four parts': `${header}.${claims}.${signature}.x`,
    'a header that is no JSON': sign('{'), 'a header that is null': sign('null'), 'claims that are no JSON': sign(HS256, '{'), 'claims that are null': sign(HS256, 'null'),
    'claims that are a list': sign(HS256, []), 'claims that are a number': sign(HS256, '5'), 'a deep header': sign(`${'['.repeat(100_000)}${']'.repeat(100_000)}`),
    'other letters': `${header}.${claims}.${signature.replace(/./, '\u00e9')}`, 'NUL': `${header}\0.${claims}.${signature}`, 'another alphabet': `${header}=.${claims}.${signature}`
  })
})

t.test('the edges of exp and nbf are exact, and exp has no tolerance', async (t) => {
  const at = now()
  const claims = { sub: 'mallory' }
  t.strictSame(results({
    'exp a moment ago': sign(HS256, { ...claims, exp: at - 1 }),
    'exp now': sign(HS256, { ...claims, exp: at }),
    'exp long ago': sign(HS256, { ...claims, exp: 0 }),
    'exp out of range': sign(HS256, { ...claims, exp: -1e300 }),
    'exp as a text': sign(HS256, { ...claims, exp: String(at + 60) }),
    'nbf behind the tolerance': sign(HS256, { ...claims, nbf: at + 60 }),
    'nbf as a text': sign(HS256, { ...claims, nbf: 'later' })
  }, { clockTolerance: 5000 }), {
    'exp a moment ago': 'HUB_TOKEN_EXPIRED',
    'exp now': 'HUB_TOKEN_EXPIRED',
    'exp long ago': 'HUB_TOKEN_EXPIRED',
    'exp out of range': 'HUB_TOKEN_INVALID',
    'exp as a text': 'HUB_TOKEN_INVALID',
    'nbf behind the tolerance': 'HUB_TOKEN_INVALID',
    'nbf as a text': 'HUB_TOKEN_INVALID'
  })
  const accepted = results({
    'exp ahead': sign(HS256, { ...claims, exp: at + 60 }),
    'nbf within the tolerance': sign(HS256, { ...claims, nbf: at + 4 }),
    'nbf now': sign(HS256, { ...claims, nbf: at })
  }, { clockTolerance: 5000 })
  for (const [title, identity] of Object.entries(accepted)) t.match(identity, { user: 'mallory' }, title)
})

t.test('of issuer and audience only the configured ones are accepted, and claims of another type are refused', async (t) => {
  const token = (claims: object) => sign(HS256, { sub: 'mallory', iss: 'me', aud: 'hub', ...claims })
  const options = { issuer: 'me', audience: 'hub' }
  t.match(results({ right: token({}), listed: token({ aud: ['x', 'hub'] }) }, options), { right: { user: 'mallory' }, listed: { user: 'mallory' } })
  allInvalid(t, {
    'another issuer': token({ iss: 'you' }), 'a longer issuer': token({ iss: 'me.evil.example' }), 'another case': token({ iss: 'ME' }), 'issuers in a list': token({ iss: ['me'] }), 'no issuer': token({ iss: undefined }),
    'another audience': token({ aud: 'other' }), 'an empty list': token({ aud: [] }), 'an object': token({ aud: { hub: true } }), 'a regular expression': token({ aud: '.*' }), 'no audience': token({ aud: undefined })
  }, options)
})

t.test('two tokens that differ in one claim never share an entry of the cache', async (t) => {
  const cached = cacheVerifiedTokens(check)
  const exp = now() + 60
  const variants = [
    { sub: 'a', exp }, { sub: 'b', exp }, { sub: 'a', role: 'admin', exp }, { sub: 'a', role: ['admin', 'x'], exp }, { sub: 'a', 'webpubsub.group': ['g'], exp }, { sub: 'a', exp: exp + 1 }, { sub: 'a', iat: 1, exp }
  ].map((claims) => sign(HS256, claims))
  const expected = variants.map((token) => check(token))
  for (const round of [variants, [...variants].reverse(), variants]) {
    t.strictSame(round.map((token) => cached(token)), round.map((token) => expected[variants.indexOf(token)]))
  }
})
