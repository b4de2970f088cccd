import fc from 'fast-check'
import t from 'tap'
import { decodeText, encodeText } from '../../../../services/engine/local/text.ts'

t.test('every text survives encoding, ill-formed texts too', (t) => {
  const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('\uD800', '\uDC00', '\uFFFF', 'a', 'd800') }))
  fc.assert(fc.property(anyText, (text) => decodeText(encodeText(text)) === text))
  t.end()
})

t.test('a well-formed text is plain UTF-8', (t) => {
  t.same(encodeText('grün 😀'), Buffer.from('grün 😀'))
  t.end()
})
