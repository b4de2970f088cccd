import { once } from 'node:events'
import { WebSocket } from 'ws'
import { ECHO, token } from '../support/helper.ts'
import { PROGRAMS_MS, until } from '../support/until.ts'
import type { HubProcess } from '../durability/hub-process.ts'
import type { Subject } from './subject.ts'

/** The default of `websocket.maxMessageSize`. */
const MAX_MESSAGE_BYTES = 65_535
/** The group of all clients. */
export const GROUP = 'clients'
/** Time for the clients to return while the service drains; below the five seconds after which the hub ends a drain. */
const DRAIN_MS = 4000

/** The service and the clients of one run. The jobs are done by all clients at the same time. */
export interface Bench {
  readonly hub: HubProcess
  readonly subjects: readonly Subject[]
}

/** One column of the matrix. */
export interface Job {
  readonly name: string
  /** What the job is, for the documentation. */
  readonly description: string
  readonly run: (bench: Bench) => Promise<void>
  /** Whether no message follows the job, so that the next job begins with clients that have received none. */
  readonly isSilent?: boolean
  /** Whether only the long form of the test has the job: a refused client waits for some seconds before it returns. */
  readonly isLong?: boolean
}

/** The jobs in order. The first connects the clients; each later job ends with connected clients. */
export const JOBS: readonly Job[] = [
  {
    name: 'connect',
    description: 'connects; a WebSocket client sends to a group of its own, or to the hub, and receives that',
    isSilent: true,
    async run (bench) {
      for (const subject of bench.subjects) subject.expect(...repliesTo(subject))
      await delivered(bench)
    }
  },
  {
    name: 'early cut',
    description: 'loses the connection before its first message, and receives what is published meanwhile',
    async run (bench) {
      await loseConnection(bench)
      await publish(bench, 'meanwhile')
      await restore(bench)
    }
  },
  {
    name: 'receive',
    description: 'receives texts of several lines and of other scripts, JSON and the largest message',
    run: receiveAll
  },
  {
    name: 'quiet',
    description: 'is connected for three heartbeats, and receives nothing, no empty message either',
    run: stayQuiet
  },
  {
    name: 'cut',
    description: 'loses the connection with messages in transit',
    async run (bench) {
      await publish(bench, 'before')
      await delivered(bench)
      await publishInTransit(bench)
      await loseConnection(bench)
      await publish(bench, 'meanwhile')
      await restore(bench)
    }
  },
  {
    name: 'kill -9',
    description: 'loses the service by SIGKILL with messages in transit; it starts again',
    async run (bench) {
      await publish(bench, 'before')
      await delivered(bench)
      await publishInTransit(bench)
      for (const { link } of bench.subjects) link.refuse()
      await bench.hub.end('SIGKILL')
      for (const { link } of bench.subjects) link.cut()
      await bench.hub.start()
      await publish(bench, 'meanwhile')
      await restore(bench)
    }
  },
  {
    name: 'SIGTERM',
    description: 'is sent away by a service that stops right after publishing; it starts again',
    async run (bench) {
      await publish(bench, 'before')
      for (const { link } of bench.subjects) link.refuse()
      await bench.hub.end('SIGTERM')
      await bench.hub.start()
      await publish(bench, 'meanwhile')
      await restore(bench)
    }
  },
  {
    name: 'drain',
    description: 'returns to a service that still drains, and is refused; the service starts again',
    isLong: true,
    run: returnDuringDrain
  }
]

/** Runs a job with all clients, and stores the result of each. */
export async function runJob (bench: Bench, job: Job): Promise<void> {
  await job.run(bench)
  if (job.isSilent !== true) await publish(bench, 'after')
  // A client that misses messages has failed; the others go on.
  await delivered(bench).catch(() => {})
  for (const subject of bench.subjects) subject.check(job.name)
}

let published = 0

/** Publishes a message to everyone, then one to each user, then one to a group of all. */
async function publish ({ hub, subjects }: Bench, phase: string): Promise<void> {
  const name = `${++published} ${phase}`
  await post(hub, '/broadcast', `all ${name}`)
  await Promise.all(subjects.map(({ user }) => post(hub, `/users/${user}/messages`, `user ${name}`)))
  await post(hub, `/groups/${GROUP}/messages`, `group ${name}`)
  for (const subject of subjects) subject.expect(`all ${name}`, `user ${name}`, `group ${name}`)
}

/** Publishes messages that the network does not let through. */
async function publishInTransit (bench: Bench): Promise<void> {
  for (const { link } of bench.subjects) link.setPaused(true, false)
  await publish(bench, 'in transit')
}

/** Cuts all connections, and lets no client return. */
async function loseConnection ({ subjects }: Bench): Promise<void> {
  for (const { link } of subjects) {
    link.refuse()
    link.cut()
  }
}

async function restore ({ subjects }: Bench): Promise<void> {
  for (const { link } of subjects) {
    link.restore()
    await link.accept()
  }
}

async function delivered ({ subjects }: Bench): Promise<void> {
  await until(() => subjects.every(({ isComplete }) => isComplete), 'all messages', PROGRAMS_MS)
}

async function receiveAll ({ hub, subjects }: Bench): Promise<void> {
  const texts = [
    'two\nlines', 'an empty line\n\nbetween', '  spaces  ', ': no comment', 'data: no field', 'grüße, 你好, \u{1f600}',
    'a separator\u2028inside', 'x'.repeat(MAX_MESSAGE_BYTES)
  ]
  const json = { number: 1.5, list: [null, true], text: 'a\nb' }
  for (const text of texts) await post(hub, '/broadcast', text)
  await post(hub, '/broadcast', json)
  for (const subject of subjects) subject.expect(...texts, JSON.stringify(json))
}

/** Waits until the hub has written three more frames to each client: the heartbeats. */
async function stayQuiet ({ hub, subjects }: Bench): Promise<void> {
  const frames = async (): Promise<Map<string, number>> => {
    const { body } = await hub.api('GET', '/clients')
    return new Map((body['clients'] as Array<{ user: string, delivered: number }>).map((one) => [one.user, one.delivered]))
  }
  const before = await frames()
  await until(async () => {
    const now = await frames()
    return subjects.every(({ user }) => (now.get(user) ?? Infinity) >= (before.get(user) ?? 0) + 3)
  }, 'three heartbeats', PROGRAMS_MS)
}

async function returnDuringDrain (bench: Bench): Promise<void> {
  const { hub, subjects } = bench
  // This client answers no Close frame, so the drain lasts.
  const frozen = new WebSocket(`${hub.origin.replace('http', 'ws')}/admin/ws?token=${token({ user: 'frozen' })}`)
  frozen.on('error', () => {}) // The hub terminates the connection.
  await once(frozen, 'message')
  frozen.pause()
  await publish(bench, 'before')
  const before = new Map(subjects.map((subject) => [subject, subject.link.opened]))
  const ended = hub.end('SIGTERM')
  // An event stream is refused by an event. Its client may return on the same connection of HTTP.
  const areBack = (): boolean => subjects.every((subject) => {
    return subject.isRefused || (subject.client.sends && subject.link.opened > (before.get(subject) ?? 0))
  })
  // A client that returns later meets the started service, like in the job before.
  await until(areBack, 'a refusal of each client', DRAIN_MS).catch(() => {})
  frozen.terminate()
  await ended
  await hub.start()
}

async function post (hub: HubProcess, path: string, message: unknown): Promise<void> {
  const { status, body } = await hub.api('POST', path, { message })
  if (status !== 202) throw new Error(`${path} was answered with ${status}: ${JSON.stringify(body)}`)
}

/** The messages that the adapter of a client receives in response to what it sends when it starts. */
function repliesTo ({ client }: Subject): readonly string[] {
  if (!client.sends) return []
  return client.ready.event === 'joined' ? ['sent by the client'] : [`${ECHO}sent by the client`]
}
