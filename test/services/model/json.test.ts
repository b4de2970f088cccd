import fc from 'fast-check'
import t from 'tap'
import { assertExactNumbers, hasExactNumbers, isTooDeep, JsonText, MAX_JSON_DEPTH, memberText, messageFromJson, parseJson, toJson } from '../../../services/model/json.ts'

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`
const INVALID = { code: 'HUB_REQUEST_INVALID' }

t.test('a text may be nested 128 levels deep, outside strings', async (t) => {
  t.equal(MAX_JSON_DEPTH, 128)
  t.notOk(isTooDeep(nested(128)))
  t.ok(isTooDeep(nested(129)))
  t.notOk(isTooDeep(nested(129), 1), 'an envelope adds a level')
  t.ok(isTooDeep('{"a":'.repeat(100_000)), 'also where the text is no JSON')
  t.notOk(isTooDeep(JSON.stringify('['.repeat(1000))))
  t.notOk(isTooDeep(`["\\\\","${'{'.repeat(500)}\\"${'['.repeat(500)}",${'[],'.repeat(1000)}1]`))
  t.throws(() => parseJson(nested(100_000)), { ...INVALID, message: /128 levels/ })
  let deep: unknown = 1
  for (let n = 0; n < 100_000; n++) deep = [deep]
  t.throws(() => toJson(deep), INVALID)
  for (let n = 0, value: unknown = 1; n <= 129; n++, value = [value]) {
    if (n <= 128) t.equal(toJson(value).length, 2 * n + 1)
    else t.throws(() => toJson(value), { ...INVALID, message: /128 levels/ })
  }
})

t.test('the text of a member is the very text in the object', async (t) => {
  t.equal(memberText('{}', 'a'), undefined)
  t.equal(memberText('{"b":{"a":1}}', 'a'), undefined)
  t.equal(memberText(' { "a" : [ 1.0 , {"a":"}"} ] , "b":2}', 'a'), '[ 1.0 , {"a":"}"} ]')
  t.equal(memberText('{"\\u0061":"\\\\","b":"\\""}', 'a'), '"\\\\"')
  t.equal(memberText('{"a":1,"a":1e400}', 'a'), '1e400', 'the last one, as in JSON.parse')
  const space = fc.constantFrom('', ' ', '\n', '\t \r')
  const objects = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true })
  fc.assert(fc.property(objects, space, (object, white) => {
    const members = Object.entries(object).map(([key, value]) => `${white}${JSON.stringify(key)}${white}:${white}${JSON.stringify(value)}${white}`)
    const text = `${white}{${members.join(',')}${white}}`
    return Object.entries(object).every(([key, value]) => memberText(text, key) === JSON.stringify(value)) && memberText(text, 'no such key') === undefined
  }))
})

t.test('numbers that JavaScript would change are recognised', async (t) => {
  const exact = ['9007199254740992', '-9007199254740991', '1e3', '1E+21', '0.1000000000000000055511151231257827', '100.00', '0e5', '0.0', '-0', '"9007199254740993"', '{"1e400":"1e400\\"1e400"}', '18446744073709551616']
  const changed = ['9007199254740993', '653247040368672768123', '1e400', '-1e400', '[1,{"a":1e999}]', '1e-400', '{"a":"\\\\","b":9007199254740993}']
  for (const text of exact) t.ok(hasExactNumbers(text), text)
  for (const text of changed) {
    t.notOk(hasExactNumbers(text), text)
    t.throws(() => assertExactNumbers(text), { ...INVALID, message: /as a string/ }, text)
  }
  t.notOk(hasExactNumbers(`["${'x'.repeat(2 ** 24)}",1e5,1e400]`), 'behind a string of any length')
  fc.assert(fc.property(fc.bigInt(), (n) => hasExactNumbers(String(n)) === (BigInt(Number(n)) === n)))
})

t.test('a value whose JSON would be another value is refused', async (t) => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  for (const value of [undefined, () => 1, Symbol('s'), 1n, cycle, NaN, Infinity, [-Infinity], { a: { b: NaN } }, [null, NaN], { toJSON: () => [NaN] }, { x: new JsonText('1') }]) {
    t.throws(() => toJson(value), INVALID)
  }
  for (const value of [null, [null], { a: undefined }, 'null', new Date(0), { at: new Date(NaN) }, '\ud800']) t.equal(toJson(value), JSON.stringify(value))
})

t.test('a JsonText is one JSON value, as it is written', async (t) => {
  t.equal(JsonText.parse(' {"b":1e400,"a":653247040368672768}\n').text, '{"b":1e400,"a":653247040368672768}')
  t.equal(toJson(JsonText.parse('1.0')), '1.0')
  for (const text of ['', '{', '1 2', 'NaN', "'a'", '{"__proto__":1}', '{"constructor":{"prototype":1}}', '"\ud800"', nested(129)]) {
    t.throws(() => JsonText.parse(text), INVALID, text.slice(0, 20))
  }
  t.equal(messageFromJson('"a\\u0041"'), 'aA')
  t.match(messageFromJson(' null '), { text: 'null' })
})
