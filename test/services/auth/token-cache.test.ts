import t from 'tap'
import { createToken, createTokenCheck } from '../../../services/auth/token.ts'
import { cacheVerifiedTokens } from '../../../services/auth/token-cache.ts'
import { SECRET } from '../../support/helper.ts'

/** A cached token check, the tokens that reached the check behind it, and a clock to move. */
function build () {
  const checkJwt = createTokenCheck({ secret: SECRET })
  const clock = { now: Date.now(), wall: () => clock.now, steady: () => 0 }
  const checked: string[] = []
  const check = cacheVerifiedTokens((token) => { checked.push(token); return checkJwt(token) }, clock)
  const tokenOf = (user: string) => createToken({ secret: SECRET }, { user, roles: ['admin'], groups: ['news'], ttlSeconds: 60 })
  return { check, clock, checked, tokenOf }
}

t.test('checks a token once, and gives every request an identity of its own', async (t) => {
  const { check, checked, tokenOf } = build()
  const token = tokenOf('alice')
  const [first, second] = [check(token), check(token)]
  t.same(first, second)
  t.match(second, { user: 'alice', roles: ['admin'], groups: ['news'] })
  first.roles.push('changed')
  first.groups?.push('secret')
  second.user = 'mallory'
  second.groups?.push('secret')
  t.match(check(token), { user: 'alice', roles: ['admin'], groups: ['news'] })
  t.equal(checked.length, 1)
})

t.test('an expired token is refused although it is in the cache', async (t) => {
  const { check, clock, tokenOf } = build()
  const token = tokenOf('alice')
  check(token)
  clock.now += 59_000
  t.match(check(token), { user: 'alice' })
  clock.now += 2_000
  t.throws(() => check(token), { code: 'HUB_TOKEN_EXPIRED' })
})

t.test('no token is taken for another, however alike they are', async (t) => {
  const { check, checked, tokenOf } = build()
  const token = tokenOf('alice')
  check(token)
  const [head = '', body = '', signature = ''] = token.split('.')
  const forged = Buffer.from(JSON.stringify({ sub: 'admin', role: 'admin' })).toString('base64url')
  const [, , otherSignature = ''] = tokenOf('bob').split('.')
  const others = [
    `${token} `, ` ${token}`, `${token}A`, token.slice(0, -1),
    `${head}.${body}.`, `${head}.${forged}.${signature}`, `${head}.${body}.${otherSignature}`
  ]
  for (const other of others) {
    t.throws(() => check(other), { code: 'HUB_TOKEN_INVALID' })
    t.throws(() => check(other), { code: 'HUB_TOKEN_INVALID' }, 'a refusal is not cached')
  }
  t.equal(checked.length, 15)
  t.match(check(tokenOf('bob')), { user: 'bob' })
})

t.test('the cache is bounded, and holds no very long token', async (t) => {
  const { check, checked, tokenOf } = build()
  const tokens = Array.from({ length: 1001 }, (_, n) => tokenOf(`user ${n}`))
  for (const token of tokens) check(token)
  t.equal(checked.length, 1001)
  check(tokens[1000] ?? '')
  t.equal(checked.length, 1001)
  check(tokens[0] ?? '')
  t.equal(checked.length, 1002, 'the oldest was evicted')
  const long = createToken({ secret: SECRET }, { user: 'x', roles: ['r'.repeat(5000)], ttlSeconds: 60 })
  check(long)
  check(long)
  t.equal(checked.length, 1004)
})
