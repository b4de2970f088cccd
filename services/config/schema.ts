import type { Static, TObject, TSchema } from '@sinclair/typebox'
import { choice, duration, origins, proxies, secret, section, size, text, toggle, whole } from './fields.ts'

const second = 1_000
const mebibyte = 1_024 ** 2

// A timer of Node holds at most 24.8 days; anything longer would fire at once.
const longestTimer = 24 * 86_400 * second

const doors = ['off', 'token', 'open'] as const

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** Every key of the configuration with its type, default, bounds and meaning: the single source of all of them. */
export const ConfigSchema = section('The configuration of fastify-hub.', {
  server: section('Where the service listens.', {
    host: text('127.0.0.1', 'Address to listen on; 0.0.0.0 listens on all IPv4 addresses, :: on all.', {
      pattern: '^\\S+$',
      allowed: 'an address or a host name'
    }),
    port: whole(20201, 'TCP port to listen on; 0 takes a free one.', { minimum: 0, maximum: 65535 }),
    trustProxy: proxies('Proxies whose X-Forwarded-For is believed: true (all), false (none) or a list.', {
      note: 'Behind a reverse proxy, list its addresses or ranges with commas; `true` lets any client choose its own address.'
    })
  }),
  api: toggle(true, 'Serve the REST routes and the health routes.'),
  console: toggle(true, 'Serve the web console (public/) at /.'),
  logger: section('What is written to the log.', {
    level: choice('info', levels, `Lowest level that is logged: ${levels.join(', ')}.`),
    requests: toggle(false, 'One log line for every HTTP request.')
  }),
  auth: section('Who may connect.', {
    mode: choice('jwt', ['jwt', 'demo'], 'jwt checks tokens; demo takes any token of at least 20 characters.', {
      note: 'The demo mode is for trying things out; it is refused when `NODE_ENV` is `production`.'
    }),
    secret: secret('', 'HS256 key that tokens are signed with; empty: made at random for each run.', {
      note: 'With a random key, every token becomes worthless when the process ends.'
    }),
    issuer: text('', 'Issuer (iss) that a token must name; empty: not checked.'),
    audience: text('', 'Audience (aud) that a token must name; empty: not checked.')
  }),
  engine: section('The log of messages: where it is, and how much of it is kept.', {
    kind: choice('lmdb', ['lmdb', 'memory'], 'lmdb keeps the log on disk; memory forgets it when the service stops.'),
    path: text('./data', 'Folder of the log on disk; relative to the working directory.', {
      pattern: '\\S',
      allowed: 'a folder',
      note: 'One service per folder, on a local disk.'
    }),
    maxAge: duration('24h', 'How long a message is kept; those to users have a limit of their own.', { minimum: 1 }),
    maxCount: whole(100_000, 'How many messages are kept of one address.', { minimum: 1 }),
    maxSize: size('1GiB', 'How many bytes of messages are kept in all, about; the oldest leave first.', {
      minimum: 1,
      note: 'The file of lmdb may get up to twice as large. It does not become smaller again; what is free in it is used again.'
    })
  }),
  inbox: section('What is said to users, until they acknowledge it.', {
    maxAge: duration('7d', 'How long a message waits for its user.', { minimum: 1 }),
    maxCount: whole(1_000, 'How many messages are kept of one user; the oldest leave first.', { minimum: 1 }),
    maxMailboxes: whole(100_000, 'How many mailboxes clients of pushMessage may have; 0 = no limit.', { minimum: 0 })
  }),
  idempotency: section('Messages that are sent twice under the same key.', {
    window: duration('2m', 'How long a key is remembered; within it, a repetition is not delivered again.', { minimum: 1 })
  }),
  websocket: section('WebSocket clients and their limits.', {
    start: toggle(true, 'Accept clients; false answers every upgrade with 503.'),
    path: text('/admin/ws', 'Where clients connect.', {
      pattern: '^/[^\\s?#]*$',
      allowed: 'a path that begins with /'
    }),
    writeReadBufferSize: size(20480, 'Bytes buffered per socket and direction before backpressure sets in.', { minimum: 1_024 }),
    maxMessageSize: size(65535, 'Largest message, in either direction.', { minimum: 1, maximum: 16 * mebibyte }),
    pingPeriod: duration('20s', 'Time between two pings to a client.', { minimum: 10, maximum: longestTimer }),
    heartbeatFailMaxTimes: whole(4, 'Pings without any sign of life after which a client is given up.', {
      minimum: 0,
      note: 'A client is disconnected when more pings than this stay unanswered.'
    }),
    readDeadline: duration('100s', 'Silence after which a client is given up; 0 = no limit.', { minimum: 0, maximum: longestTimer }),
    writeDeadline: duration('35s', 'Time that a write may be stuck before the client is given up.', { minimum: 1, maximum: longestTimer }),
    handshakeTimeout: duration('10s', 'Time in which an upgrade must be done, or its socket is destroyed.', {
      minimum: 1,
      maximum: longestTimer
    }),
    maxQueueSize: size('1MiB', 'Bytes that may wait for one client.', {
      minimum: 1,
      note: 'At least `websocket.maxMessageSize`, or the largest message could never be sent.'
    }),
    maxQueueWrites: whole(1_024, 'Frames that may wait for one client.', { minimum: 1 }),
    slowClient: choice('catchUp', ['catchUp', 'disconnect', 'dropNewest', 'dropOldest', 'latest'], 'Client over its queue limit: let it catch up from the log, disconnect it, dropNewest or dropOldest of its messages, or keep the latest of each kind.', {
      note: 'With `catchUp` nothing is lost that is still in the log. Who is disconnected can come back at once. The others keep the client and drop messages for it; `latest` also drops, for a client that is behind, what a newer message with the same `conflate` word has made worthless.'
    }),
    resumeWindow: duration('2m', 'Time for which a client of a reliable subprotocol may resume a lost connection.', { minimum: 1 }),
    actionTimeout: duration('30s', 'Time that an action may take before its caller is told that it failed; 0 = no limit.', { minimum: 0, maximum: longestTimer }),
    flushInterval: duration('0', 'How long to collect messages before they are written; 0 = until the end of the tick.', {
      minimum: 0,
      maximum: second,
      note: 'Makes everything that clients get later by up to this time, replies and pings too, and saves writes when messages come one by one. At most half of `websocket.pingPeriod` and of `websocket.writeDeadline`.'
    }),
    compression: section('permessage-deflate (RFC 7692) for clients that offer it.', {
      enabled: toggle(false, 'Compress messages to clients, and let clients compress theirs.', {
        note: 'Saves bandwidth, costs CPU. Do not put secrets and text that others choose into one message: its length tells about both.'
      }),
      threshold: size('1KiB', 'Smallest message that is compressed.', { minimum: 0 }),
      level: whole(6, 'zlib level: 1 is fastest, 9 smallest.', { minimum: 1, maximum: 9 })
    }),
    maxClients: whole(10_000, 'Clients at the same time; 0 = no limit.', { minimum: 0 }),
    maxClientsPerUser: whole(100, 'Clients of one user at the same time; 0 = no limit.', { minimum: 0 }),
    messagesPerSecond: whole(100, 'Messages per second that one client may send; 0 = no limit.', { minimum: 0 }),
    upgradesPerSecond: whole(500, 'New connections per second in the whole process; 0 = no limit.', { minimum: 0 }),
    allowedOrigins: origins('Web origins whose pages may connect, besides the same origin; * allows all.', {
      note: 'Concerns browsers only: other clients send no `Origin` and need none.'
    }),
    drain: section('How clients are sent away when the service stops.', {
      grace: duration('10s', 'Time that clients get to close; after it they are terminated.', { minimum: 0, maximum: longestTimer }),
      batch: whole(500, 'Clients that are told to close in each 100 ms.', { minimum: 1 })
    })
  }),
  sse: section('Clients over Server-Sent Events; the limits of `websocket` apply to them as well.', {
    start: toggle(true, 'Accept clients; false answers 404.'),
    path: text('/admin/events', 'Where clients connect.', {
      pattern: '^/[^\\s?#]*$',
      allowed: 'a path that begins with /'
    }),
    retry: duration('2s', 'Time after which a client that lost its connection tries again.', { minimum: 1, maximum: longestTimer })
  }),
  compat: section('Doors for clients of older Go services: off, token (our token check) or open (no check, as they had it).', {
    ginSkeleton: choice('off', doors, 'GinSkeleton and gophrame: their greeting and refusals, at websocket.path.', {
      note: 'With `open`, any token of at least 10 characters may connect.'
    }),
    ginSkeletonCode: choice('200', ['200', '2000'], 'Greeting and echo: 200 is GinSkeleton, 2000 gophrame.', {
      note: 'Without the door, the greeting has 2000.'
    }),
    ginSkeletonRefusal: choice('legacy-400-json', ['legacy-400-json', 'empty-200'], 'legacy-400-json until August 2022, empty-200 since.'),
    ginServer: choice('off', doors, 'ginServer: GET /ws.', { note: 'With `open`, anybody may reach everybody through it.' }),
    learnGin: choice('off', doors, 'learn-gin: GET /echo, /sendall.', { note: 'With `open`, anybody may reach everybody through it.' }),
    pushMessage: choice('off', doors, 'pushMessage: /client/:id, /message, /message/:id, and the copy in a blog. Open: anybody reads any inbox.', {
      note: 'And reaches everybody.'
    })
  })
})

/** The complete, checked configuration; durations in milliseconds, sizes in bytes. */
export type Config = Static<typeof ConfigSchema>

/** What may be given from code: any part of Config; durations and sizes as milliseconds and bytes or as text like `20s` and `1MiB`. */
export type ConfigInput = InputOf<typeof ConfigSchema>

type InputOf<S extends TSchema> =
  S extends TObject<infer Properties> ? { [Key in keyof Properties]?: InputOf<Properties[Key]> }
  : S extends { kind: 'duration' | 'size' } ? number | string
  : Static<S>
