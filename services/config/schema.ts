import type { Static } from '@sinclair/typebox'
import { boolean, choice, duration, integer, origins, proxies, secret, section, size, text } from './fields.ts'

const second = 1_000
const mebibyte = 1_024 ** 2

// A timer of Node holds at most 24.8 days; a longer timer would fire at once.
const longestTimer = 24 * 86_400 * second

const compatModes = ['off', 'token', 'open'] as const

const slowClientPolicies = ['catchUp', 'disconnect', 'dropNewest', 'dropOldest', 'latest'] as const

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/**
 * Every key of the configuration with its type, default, bounds and description. The readers and the documentation use
 * this schema.
 */
export const ConfigSchema = section('The configuration of fastify-hub.', {
  server: section('The address that the service listens on.', {
    host: text('127.0.0.1', 'Address to listen on; 0.0.0.0 listens on all IPv4 addresses, :: on all.', {
      pattern: '^\\S+$',
      allowed: 'an address or a host name'
    }),
    port: integer(20201, 'TCP port to listen on; 0 takes a free port.', { minimum: 0, maximum: 65535 }),
    keepAliveTimeout: duration('72s', 'Time that an HTTP connection stays open between two requests.', {
      minimum: second,
      maximum: longestTimer,
      note: 'Longer than the same time of a load balancer in front: one that reuses a connection while the service closes it answers 502. AWS ALB and nginx close after 60 s.'
    }),
    trustProxy: proxies('Proxies whose X-Forwarded-For is trusted: true (all), false (none) or a list.', {
      note: 'Behind a reverse proxy, list its addresses or ranges with commas; `true` lets any client choose its own address.'
    })
  }),
  api: boolean(true, 'Serve the REST routes and the health routes.'),
  console: boolean(true, 'Serve the web console (public/) at /.'),
  logger: section('The log of the service.', {
    level: choice('info', levels, `Lowest level that is logged: ${levels.join(', ')}.`),
    requests: boolean(false, 'Log one line for every HTTP request.')
  }),
  auth: section('Authentication of clients.', {
    mode: choice('jwt', ['jwt', 'demo'], 'jwt checks tokens; demo accepts any token of at least 20 characters.', {
      note: 'The demo mode is for trying things out; it is refused when `NODE_ENV` is `production`.'
    }),
    secret: secret('', 'HS256 key that signs tokens; empty: a random key for each run.', {
      note: 'With a random key, every token becomes invalid when the process ends.'
    }),
    issuer: text('', 'Issuer (iss) that a token must name; empty: not checked.'),
    audience: text('', 'Audience (aud) that a token must name; empty: not checked.'),
    failuresPerSecond: integer(100, 'Requests without a valid token per second from one address; 0 = no limit.', {
      minimum: 0,
      note: 'Requests with a valid token do not count. An IPv6 address counts as its /64; behind a proxy, set `server.trustProxy`.'
    }),
    clockTolerance: duration('5s', 'How far the clock of the issuer of tokens may be ahead (nbf).', {
      minimum: 0,
      maximum: 300 * second
    })
  }),
  engine: section('The engine keeps the log of messages.', {
    kind: choice('file', ['file', 'memory'], 'file keeps the log on disk; memory loses the log when the service stops.', {
      former: {
        lmdb: 'version 0.1 had that engine; write file, and choose another folder with engine.path than the one of version 0.1'
      }
    }),
    path: text('./data', 'Folder of the log on disk; relative to the working directory.', {
      pattern: '\\S',
      allowed: 'a folder',
      note: 'One service per folder, on a local disk.'
    }),
    maxAge: duration('24h', 'Maximum age of a message; messages to users have inbox.maxAge.', { minimum: 1 }),
    maxCount: integer(100_000, 'Maximum number of messages per address; messages to users have inbox.maxCount.', {
      minimum: 1
    }),
    maxSize: size('1GiB', 'Maximum size of all messages together, approximately; the oldest are removed first.', {
      minimum: 1,
      note: 'The files on disk may take up to twice as much; the exact bounds are in architecture.md.'
    })
  }),
  inbox: section('Messages to users, kept until they are acknowledged.', {
    maxAge: duration('7d', 'Maximum age of a message to a user.', { minimum: 1 }),
    maxCount: integer(1_000, 'Maximum number of messages per user; the oldest are removed first.', { minimum: 1 }),
    maxMailboxes: integer(100_000, 'Maximum number of durable cursors of pushMessage clients; 0 = no limit.', {
      minimum: 0
    }),
    maxRedeliveries: integer(10, 'Deliveries in a row that end the connection, at which a message is skipped; 0 = never.', {
      minimum: 0,
      note: 'For a client that cannot read the message: one above the read limit of its library would block the inbox.'
    })
  }),
  idempotency: section('Detection of messages that are published twice with the same key.', {
    window: duration('2m', 'Time for which a key is remembered; a repetition within it is not delivered again.', {
      minimum: 1
    })
  }),
  websocket: section('WebSocket clients and their limits.', {
    start: boolean(true, 'Accept clients; false refuses every upgrade with 503.'),
    path: text('/admin/ws', 'Path of the endpoint.', {
      pattern: '^/[^\\s?#]*$',
      allowed: 'a path that begins with /'
    }),
    writeReadBufferSize: size(20480, 'Bytes buffered per socket and direction before backpressure starts.', {
      minimum: 1_024
    }),
    maxMessageSize: size(65535, 'Maximum size of a message, in either direction.', {
      minimum: 1,
      maximum: 16 * mebibyte
    }),
    pingPeriod: duration('20s', 'Time between two pings to a client.', { minimum: 10, maximum: longestTimer }),
    heartbeatFailMaxTimes: integer(4, 'Unanswered pings after which a client is disconnected.', {
      minimum: 0,
      note: 'A client is disconnected when more pings than this stay unanswered. Any data from the client counts as an answer.'
    }),
    readDeadline: duration('100s', 'Silence after which a client is disconnected; 0 = no limit.', {
      minimum: 0,
      maximum: longestTimer
    }),
    writeDeadline: duration('35s', 'Time that a write may be blocked before the client is disconnected.', {
      minimum: 1,
      maximum: longestTimer
    }),
    handshakeTimeout: duration('10s', 'Time for an upgrade to complete, or its socket is destroyed.', {
      minimum: 1,
      maximum: longestTimer
    }),
    maxQueueSize: size('1MiB', 'Maximum bytes queued for one client.', {
      minimum: 1,
      note: 'At least `websocket.maxMessageSize`, or the largest message could never be delivered.'
    }),
    maxQueueWrites: integer(1_024, 'Maximum frames queued for one client.', { minimum: 1 }),
    slowClient: choice('catchUp', slowClientPolicies, 'Policy for a client over its queue limit: catchUp from the log, disconnect it, dropNewest or dropOldest of its messages, or keep the latest of each conflate word.', {
      note: 'With `catchUp`, every message that is still in the log is delivered. With `disconnect`, the client may connect again at once. The other policies keep the client and drop messages; `latest` also drops, for a client that is behind, messages that a newer message with the same `conflate` word replaces.'
    }),
    resumeWindow: duration('2m', 'Time for which a client of a reliable subprotocol may resume a lost connection.', {
      minimum: 1
    }),
    actionTimeout: duration('30s', 'Maximum time of an action before its caller gets an error; 0 = no limit.', {
      minimum: 0,
      maximum: longestTimer
    }),
    flushInterval: duration('0', 'Time to collect messages before they are written; 0 = until the end of the tick.', {
      minimum: 0,
      maximum: second,
      note: 'Delays every frame to clients by up to this time, replies and pings included, and saves writes when messages arrive one by one. At most half of `websocket.pingPeriod` and of `websocket.writeDeadline`.'
    }),
    compression: section('permessage-deflate (RFC 7692) for clients that offer it.', {
      enabled: boolean(false, 'Compress messages to clients, and accept compressed messages from clients.', {
        note: 'Saves bandwidth, costs CPU. Do not combine secrets with text from other users in one message: the compressed length reveals information about both.'
      }),
      threshold: size('1KiB', 'Minimum size of a message that is compressed.', { minimum: 0 }),
      level: integer(6, 'zlib level: 1 is fastest, 9 smallest.', { minimum: 1, maximum: 9 })
    }),
    maxClients: integer(10_000, 'Maximum number of clients; 0 = no limit.', {
      minimum: 0,
      note: 'Lower where the process may not have enough files open (`ulimit -n`); the start warns of that.'
    }),
    maxClientsPerUser: integer(100, 'Maximum number of clients of one user; 0 = no limit.', { minimum: 0 }),
    messagesPerSecond: integer(100, 'Messages per second that one client may send; 0 = no limit.', { minimum: 0 }),
    bytesPerSecond: size('16MiB', 'Bytes per second that one client may send; 0 = no limit.', {
      minimum: 0,
      note: 'After a pause, the largest message in addition. Raise it together with `websocket.maxMessageSize`.'
    }),
    upgradesPerSecond: integer(500, 'New connections per second in the whole process; 0 = no limit.', { minimum: 0 }),
    allowedOrigins: origins('Web origins whose pages may connect, besides the same origin; * allows all.', {
      note: 'Concerns browsers only: other clients send no `Origin` and need none. `null` is the origin of sandboxed frames and `file://` that of local files in some browsers: each is shared by many pages, and the service warns of it.'
    }),
    drain: section('Closing of connections when the service stops.', {
      grace: duration('10s', 'Time for clients to close before they are terminated.', {
        minimum: 0,
        maximum: longestTimer
      }),
      batch: integer(500, 'Clients that get a Close frame in each 100 ms, at most.', {
        minimum: 1,
        note: 'Not more than `websocket.upgradesPerSecond` lets back in within 100 ms.'
      })
    })
  }),
  sse: section('Clients over Server-Sent Events; the limits of `websocket` apply to them as well.', {
    start: boolean(true, 'Accept clients; false answers 404.'),
    path: text('/admin/events', 'Path of the endpoint.', {
      pattern: '^/[^\\s?#]*$',
      allowed: 'a path that begins with /'
    }),
    retry: duration('2s', 'Least time after which a client reconnects when its connection is lost.', {
      minimum: 1,
      maximum: longestTimer,
      note: 'Each client waits this time and up to as much again, at random.'
    })
  }),
  compat: section('Endpoints for clients of older Go services: off, token (the token check of the hub) or open (no check, as in the older service).', {
    ginSkeleton: choice('off', compatModes, 'GinSkeleton and gophrame: their greeting and refusals, at websocket.path.', {
      note: 'With `open`, any token of at least 10 characters may connect.'
    }),
    ginSkeletonCode: choice('200', ['200', '2000'], 'Code of greeting and echo: 200 is GinSkeleton, 2000 gophrame.', {
      note: 'When `compat.ginSkeleton` is `off`, the greeting has 2000.'
    }),
    ginSkeletonRefusal: choice(
      'legacy-400-json',
      ['legacy-400-json', 'empty-200'],
      'Refusals: legacy-400-json until August 2022, empty-200 since.'
    ),
    ginServer: choice('off', compatModes, 'ginServer: GET /ws.', {
      note: 'With `open`, anybody can publish to everyone.'
    }),
    learnGin: choice('off', compatModes, 'learn-gin: GET /echo, /sendall.', {
      note: 'With `open`, anybody can publish to everyone.'
    }),
    pushMessage: choice('off', compatModes, 'pushMessage: /client/:id, /message, /message/:id, and its copy in a blog. Open: anybody reads any inbox.', {
      note: 'With `open`, anybody can also publish to everyone.'
    })
  })
})

/** The complete, checked configuration; durations in milliseconds, sizes in bytes. */
export type Config = Static<typeof ConfigSchema>
