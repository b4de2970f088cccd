import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compilerMissing } from './rig/setup/compiled.ts'
import { uwsMissing } from './rig/setup/uws-binary.ts'
import { token } from './rig/token.ts'

/** The protocol between a server and its clients; an `http` server takes requests and has no clients. */
export type Protocol = 'websocket' | 'socket.io' | 'raw' | 'reliable' | 'sse' | 'http'

/** One server that is measured. To add one: a file in servers/ and a row here. */
export interface Peer {
  /** For `--only` and the result files. */
  id: string
  name: string
  /** Its server process, below bench/. */
  file: string
  /** Options of its server in this row, in addition to the options of all rows of that server. */
  options?: object
  protocol: Protocol
  /** Returns the request path of the client with this number. */
  path (client: number): string
  /** Packages whose versions belong to the result. */
  packages: string[]
  /** Returns the reason why the peer cannot be measured on this machine; undefined when it can. */
  missing? (): string | undefined
}

export const peers: Peer[] = [
  {
    id: 'ours',
    name: 'fastify-hub',
    file: 'servers/ours.ts',
    protocol: 'websocket',
    path: (client) => `/admin/ws?token=${token(client)}`,
    packages: ['fastify', '@fastify/websocket', 'ws', 'fast-jwt']
  },
  { id: 'ws', name: 'ws loop', file: 'servers/ws.ts', protocol: 'websocket', path: () => '/', packages: ['ws'] },
  {
    id: 'fastify-websocket',
    name: '@fastify/websocket loop',
    file: 'servers/fastify-websocket.ts',
    protocol: 'websocket',
    path: () => '/ws',
    packages: ['fastify', '@fastify/websocket', 'ws']
  },
  {
    id: 'socket.io',
    name: 'Socket.IO',
    file: 'servers/socket-io.ts',
    protocol: 'socket.io',
    path: () => '/socket.io/?EIO=4&transport=websocket',
    packages: ['socket.io', 'socket.io-client']
  },
  {
    id: 'uwebsockets',
    name: 'uWebSockets',
    file: 'servers/uwebsockets.ts',
    protocol: 'websocket',
    path: () => '/',
    packages: ['@trufflesuite/uws-js-unofficial'],
    missing: uwsMissing
  },
  { id: 'net', name: 'raw net loop', file: 'servers/net.ts', protocol: 'websocket', path: () => '/', packages: [] },
  { id: 'kernel', name: 'kernel floor', file: 'servers/kernel.c', protocol: 'websocket', path: () => '/', packages: [], missing: compilerMissing }
]

/** Returns the row of another build of fastify-hub, in a folder that holds its dist/ and node_modules/. */
export function earlierBuild (folder: string): Peer {
  const file = resolve(folder, 'dist', 'index.js')
  if (!existsSync(file)) throw new Error(`--before ${folder}: there is no ${file}; build that checkout first.`)
  const ours = peers.find(({ id }) => id === 'ours')
  if (ours === undefined) throw new Error('The table of peers has no row "ours".')
  return { ...ours, id: 'before', name: 'fastify-hub before', options: { entry: pathToFileURL(file).href } }
}

/** Returns the same servers with these additional options, by the peer's id. */
export function withOptions (rows: Peer[], options: Record<Peer['id'], object>): Peer[] {
  return rows.map((peer) => ({ ...peer, options: { ...peer.options, ...options[peer.id] } }))
}

/** Leaves out the loop of @fastify/websocket, which is the loop of ws, unless it is the only chosen peer. */
export function withoutSameLoop (chosen: Peer[]): Peer[] {
  return chosen.filter(({ id }) => id !== 'fastify-websocket' || chosen.length === 1)
}

/** Returns another row of a table for the same server, created with these options. */
export function variant (peer: Peer, id: string, name: string, options: object): Peer {
  const rowName = peer.id === 'before' ? name.replace('fastify-hub', peer.name) : name
  return { ...peer, id: `${peer.id}-${id}`, name: rowName, options: { ...peer.options, ...options } }
}

/** Returns the rows of a scenario that measures fastify-hub alone. */
export function variantsOfOurs (variants: (ours: Peer) => Peer[]): (chosen: Peer[]) => Peer[] {
  return (chosen) => chosen.filter(({ id }) => id === 'ours' || id === 'before').flatMap(variants)
}
