import { token } from './token.ts'

/** One server that is measured. To add one: a file in servers/ and a row here. */
export interface Peer {
  /** For `--only` and the result files. */
  id: string
  name: string
  /** Its server process, below bench/. */
  file: string
  protocol: 'websocket' | 'socket.io'
  /** What the client with this number asks for when it connects. */
  path (client: number): string
  /** Packages whose versions belong to the result. */
  packages: string[]
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
    packages: ['socket.io']
  },
  { id: 'net', name: 'raw net loop (the floor)', file: 'servers/net.ts', protocol: 'websocket', path: () => '/', packages: [] }
]

/** The peer that the others are compared with. */
export const baseline = 'ws'
