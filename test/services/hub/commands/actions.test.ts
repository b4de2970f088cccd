import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import Type1, { type Static as Static1 } from 'typebox'
import type { Client } from '../../../../index.ts'
import { createMemoryEngine } from '../../../../services/engine/memory/engine.ts'
import { Hub } from '../../../../services/hub/hub.ts'
import { HubNode } from '../../../../services/hub/node.ts'
import { hubOptions } from '../peer.ts'

const caller = { id: 'c', identity: { user: 'alice', roles: [] } } as unknown as Client

/** A hub, its actions, and the results of calls of one action as `data` or `code message`. */
function newHub (t: Test) {
  const limits = { maxAgeMs: 1000, maxCount: 10 }
  const engine = createMemoryEngine({ log: limits, inbox: limits, maxBytes: 1000, idempotencyWindowMs: 1000 })
  t.teardown(() => engine.close())
  const node = new HubNode(hubOptions(engine))
  const call = async (name: string, data: unknown): Promise<unknown> => {
    const result = await node.actions.call(name, data, caller)
    return result.ok ? result.data : `${result.error.code} ${result.error.message}`
  }
  return { hub: new Hub(node), actions: node.actions, call }
}

t.test('a TypeBox schema gives typed data and refuses data that does not fit', async (t) => {
  const { hub, call } = newHub(t)
  hub.action('double', Type.Object({ n: Type.Integer() }), ({ n }) => 2 * n)
  t.equal(await call('double', { n: 4 }), 8)
  t.equal(await call('double', {}), 'HUB_REQUEST_INVALID data/n: Expected required property')
  t.equal(await call('double', { n: '4' }), 'HUB_REQUEST_INVALID data/n: Expected integer')
  t.equal(await call('double', null), 'HUB_REQUEST_INVALID data: Expected object')
})

t.test('a plain JSON Schema gives unknown data and refuses data that does not fit, with path and reason', async (t) => {
  const { hub, call } = newHub(t)
  const schema = {
    type: 'object',
    properties: { names: { type: 'array', items: { type: 'string', maxLength: 3 } }, mail: { type: 'string', format: 'email' } },
    required: ['names'],
    additionalProperties: false
  }
  hub.action('names', schema, (data) => {
    // @ts-expect-error -- the data of a plain schema is unknown
    const names: string[] = data
    return names
  })
  const results: unknown[] = []
  for (const data of [{ names: ['bob'] }, { names: ['bob', 'carol'] }, { names: [], mail: 'nobody' }, {}, { names: [], more: 1 }, 5]) results.push(await call('names', data))
  t.same(results, [
    { names: ['bob'] },
    'HUB_REQUEST_INVALID data/names/1: must NOT have more than 3 characters',
    'HUB_REQUEST_INVALID data/mail: must match format "email"',
    "HUB_REQUEST_INVALID data: must have required property 'names'",
    'HUB_REQUEST_INVALID data: must NOT have additional properties',
    'HUB_REQUEST_INVALID data: must be object'
  ])
})

t.test('a schema of typebox 1.x gives typed data and refuses data that does not fit', async (t) => {
  const { hub, call } = newHub(t)
  hub.action('double', Type1.Object({ n: Type1.Integer() }), ({ n }) => 2 * n)
  t.equal(await call('double', { n: 4 }), 8)
  t.equal(await call('double', {}), "HUB_REQUEST_INVALID data: must have required property 'n'")
  t.equal(await call('double', { n: '4' }), 'HUB_REQUEST_INVALID data/n: must be integer')

  const Order = Type1.Object({
    id: Type1.Union([Type1.String(), Type1.Integer()]),
    state: Type1.Union([Type1.Literal('open'), Type1.Literal('paid')]),
    note: Type1.Optional(Type1.String({ maxLength: 3 })),
    lines: Type1.Array(Type1.Object({ price: Type1.Number(), size: Type1.Enum(['s', 'm']) })),
    at: Type1.Tuple([Type1.Number(), Type1.Boolean()]),
    labels: Type1.Record(Type1.String(), Type1.Union([Type1.String(), Type1.Null()])),
    both: Type1.Intersect([Type1.Object({ a: Type1.String() }), Type1.Object({ b: Type1.Number() })]),
    own: Type1.Unsafe<Date>({ type: 'string' }),
    any: Type1.Unknown()
  })
  hub.action('order', Order, (data) => {
    // Each type is assignable to the other.
    const order: Static1<typeof Order> = data
    data = order
    return data.note ?? data.both.a
  })
  const valid = { id: 1, state: 'open', lines: [{ price: 1, size: 's' }], at: [1, true], labels: { a: null }, both: { a: 'a', b: 2 }, own: '', any: [] }
  t.equal(await call('order', valid), 'a')
  t.equal(await call('order', { ...valid, note: 'new' }), 'new')
  const refused: unknown[] = []
  for (const change of [{ id: null }, { state: 'lost' }, { note: 'long' }, { lines: [{ price: 1, size: 'l' }] }, { at: [1] }, { labels: { a: 1 } }, { both: { a: 'a' } }]) {
    refused.push(await call('order', { ...valid, ...change }))
  }
  t.match(refused, ['/id: ', '/state: ', '/note: ', '/lines/0/size: ', '/at: ', '/labels/a: ', '/both: '].map((path) => `HUB_REQUEST_INVALID data${path}`))
  // @ts-expect-error -- the data has the type of the schema
  hub.action('wrong', Type1.Object({ n: Type1.Number() }), ({ m }) => m as unknown)
})

t.test('the check changes no data: no coercion, no defaults, no removed properties', async (t) => {
  const { hub, call } = newHub(t)
  hub.action('same', { type: 'object', properties: { n: { type: 'integer' }, m: { type: 'integer', default: 1 } } }, (data) => data)
  t.equal(await call('same', { n: '5' }), 'HUB_REQUEST_INVALID data/n: must be integer')
  const data = { n: 5, more: true }
  t.equal(await call('same', data), data)
  t.same(data, { n: 5, more: true })
})

t.test('a schema that does not compile throws at once, with the name of the action', async (t) => {
  const { hub, actions } = newHub(t)
  const refused = [
    { type: 'objekt' },
    { type: 'object', propertys: {} },
    { type: 'string', format: 'no-format' },
    { $ref: 'https://example.com/schema.json' },
    { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object' },
    { $async: true, type: 'object' },
    Type.Object({ plain: { type: 'string' } as unknown as ReturnType<typeof Type.String> }),
    undefined as unknown as object,
    'string' as unknown as object
  ]
  const accepted = refused.filter((schema) => {
    try {
      hub.action('broken', schema, () => null)
      return true
    } catch (error) {
      return !String(error).startsWith('Error: The schema of the action "broken" cannot be compiled: ')
    }
  })
  t.same(accepted, [])
  t.notOk(actions.has('broken'))
})

t.test('two actions may have schemas with the same $id, and a $ref within the schema', async (t) => {
  const { hub, call } = newHub(t)
  const schema = (type: string) => ({ $id: 'https://example.com/item', definitions: { item: { type } }, type: 'array', items: { $ref: '#/definitions/item' } })
  hub.action('texts', schema('string'), () => 'texts')
  hub.action('numbers', schema('number'), () => 'numbers')
  t.same([await call('texts', ['a']), await call('numbers', [1]), await call('numbers', ['a'])], ['texts', 'numbers', 'HUB_REQUEST_INVALID data/0: must be number'])
})

t.test('of the same name, an action of the application replaces a default action, and a second one throws', async (t) => {
  const { hub, actions, call } = newHub(t)
  actions.addDefault('ping', () => 'default')
  t.equal(await call('ping', { any: 'data' }), 'default')
  hub.action('ping', { type: 'null' }, () => 'own')
  actions.addDefault('ping', () => 'default')
  t.equal(await call('ping', null), 'own')
  t.throws(() => hub.action('ping', {}, () => 'second'), { message: 'The action "ping" exists already; give each action one handler.' })
})
