import fc from 'fast-check'
import t from 'tap'
import { escapeHtml, foldKeys, firstJson, sortedGoJson } from '../../../services/compat/go-json.ts'

t.test('encodes the same value as any other JSON', async () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const text = JSON.stringify(value)
    t.same(JSON.parse(sortedGoJson(JSON.parse(text))), JSON.parse(text))
    t.same(JSON.parse(escapeHtml(text)), JSON.parse(text))
  }), { numRuns: 300 })
})

t.test('looks as Go writes it', async (t) => {
  for (const [text, go] of [
    ['{"b":1,"a":{"d":[],"c":{}},"10":0,"9":0}', '{"10":0,"9":0,"a":{"c":{},"d":[]},"b":1}'],
    ['"<a href=\'x\'>&\u2028\u2029"', '"\\u003ca href=\'x\'\\u003e\\u0026\\u2028\\u2029"'],
    ['{"<":1}', '{"\\u003c":1}'],
    ['[12345678901234567890,1.0,1e3,1e21,0.000001,1e-7]', '[12345678901234567000,1,1000,1e+21,0.000001,1e-7]'],
    // By UTF-8: what stands beyond U+FFFF comes after everything below it.
    ['{"😀":1,"\uffee":2}', '{"\uffee":2,"😀":1}'],
    ['{"__proto__":1,"a":2}', '{"__proto__":1,"a":2}'],
    [' null ', 'null'], ['"中文"', '"中文"']
  ] as const) t.equal(sortedGoJson(JSON.parse(text)), go)
  t.throws(() => sortedGoJson(JSON.parse('[1e999]')), RangeError)
})

t.test('reads the first value, whatever follows', async (t) => {
  fc.assert(fc.property(fc.jsonValue(), fc.constantFrom('', ' ', '\n', '{"more":1}', '[', '"', ' 7', '\u0000', ',', '}'), (value, rest) => {
    const text = JSON.stringify(value)
    // Two numbers are two only with something between them.
    t.same(JSON.parse(firstJson(`${text} ${rest}`)), JSON.parse(text))
  }), { numRuns: 300 })
  for (const [text, value] of [['{"a":1}garbage', { a: 1 }], ['"a\\"b"c', 'a"b'], ['[1]]', [1]], ['1,2', 1], ['true}', true], ['\r\n\t {}', {}], ['null null', null], ['truex', true], ['1x', 1], ['0123', 0], ['-1.5e3,', -1500], ['1e', 1]] as const) t.same(JSON.parse(firstJson(text)), value)
  for (const text of ['', ' ', '{', '{"a":', '"open', '[1', 'nul', '-', '\ufeff1', '}', ',', "'a'", '[}']) t.throws(() => JSON.parse(firstJson(text)) as unknown, SyntaxError, text)
})

t.test('finds keys as Go does: whatever their case, and the last of several', async (t) => {
  t.same(foldKeys({ ACTIONCODE: 'a', Is_Broadcast: true, more: 1 }, ['actioncode', 'is_broadcast', 'data']), { actioncode: 'a', is_broadcast: true })
  t.same(foldKeys({ cmdtype: 1, CmdType: 2 }, ['CmdType']), { CmdType: 2 })
})
