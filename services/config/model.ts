import { TypeGuard, type TObject, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { ConfigSchema, type Config } from './schema.ts'

/** A key of the configuration that has a value. */
export interface Leaf {
  readonly key: string
  /** `websocket.pingPeriod` */
  readonly path: string
  /** `HUB_WEBSOCKET_PING_PERIOD` */
  readonly variable: string
  readonly secret: boolean
  readonly schema: TSchema
}

/** A key of the configuration that has further keys. */
export interface Section {
  readonly key: string
  readonly path: string
  readonly description: string
  readonly items: ReadonlyMap<string, Leaf | Section>
}

/** The whole configuration as a tree. The path of the root is empty. */
export const root = sectionOf(ConfigSchema, '', '')

/** All keys that have a value, in the order of the schema. */
export const leaves: readonly Leaf[] = leavesOf(root)

/** Tells a section from a leaf. */
export function isSection (item: Leaf | Section): item is Section {
  return 'items' in item
}

/**
 * Builds a Config from one value for each leaf.
 *
 * @throws {TypeError} when a value is not of the leaf's type.
 */
export function composeConfig (valueOf: (leaf: Leaf) => unknown): Config {
  const compose = (section: Section): unknown =>
    Object.fromEntries([...section.items].map(([key, item]) => [key, isSection(item) ? compose(item) : valueOf(item)]))

  const config = compose(root)
  if (Value.Check(ConfigSchema, config)) return config
  const path = Value.Errors(ConfigSchema, config).First()?.path
  throw new TypeError(`The value at ${path} of the configuration has the wrong type.`)
}

/** Returns the value of a leaf in a Config. */
export function valueAt (config: Config, leaf: Leaf): unknown {
  return leaf.path.split('.').reduce<unknown>((node, key) => new Map(Object.entries(node ?? {})).get(key), config)
}

function sectionOf (schema: TObject, key: string, path: string): Section {
  const items = Object.entries(schema.properties).map(([name, property]): [string, Leaf | Section] => {
    const itemPath = path === '' ? name : `${path}.${name}`
    return [name, TypeGuard.IsObject(property) ? sectionOf(property, name, itemPath) : leafOf(property, name, itemPath)]
  })
  return { key, path, description: schema.description ?? '', items: new Map(items) }
}

function leafOf (schema: TSchema, key: string, path: string): Leaf {
  const variable = `HUB_${path.replaceAll('.', '_').replace(/[A-Z]/g, '_$&').toUpperCase()}`
  return { key, path, variable, secret: schema.secret === true, schema }
}

function leavesOf (section: Section): Leaf[] {
  return [...section.items.values()].flatMap((item) => (isSection(item) ? leavesOf(item) : [item]))
}
