import type { Test } from 'tap'
import type { AddressKey } from '../../services/model/message.ts'
import { Random } from '../support/random.ts'
import type { HubProcess } from './hub-process.ts'
import type { Journal } from './journal.ts'
import { Link } from './link.ts'
import { NpmSubject } from './npm-subject.ts'
import { ReliableSubject } from './reliable-subject.ts'
import { SseSubject } from './sse-subject.ts'
import { addressesOf, type Subject, type SubjectOptions } from './subject.ts'
import type { CrashTrigger } from './crash-trigger.ts'
import { Recorder } from './recorder.ts'
import { WsSubject } from './ws-subject.ts'

/** A group that receives more messages than its members can take. */
export const BULK = 'bulk'
/** A group with permanent members. */
export const NEWS = 'news'
/** A group that some clients join and leave. */
export const FLEETING = 'fleeting'

/** The user that reads the log after the disturbances. */
export const AUDITOR = 'auditor'

/** Specification of one client of a campaign. */
export interface ClientSpec {
  readonly kind: Subject['kind']
  readonly user: string
  readonly device?: string
  /** Groups of the user. */
  readonly groups?: readonly string[]
  /** Groups that the client itself joins. */
  readonly joins?: readonly string[]
  readonly acknowledgeMs?: number
  readonly toggledGroup?: string
}

const CLIENTS: readonly ClientSpec[] = [
  { kind: 'raw', user: 'anna', device: 'phone', groups: [NEWS] },
  { kind: 'raw', user: 'anna', device: 'laptop', groups: [NEWS] },
  { kind: 'raw', user: 'ben' },
  { kind: 'raw', user: 'carl', device: 'wall', groups: [BULK] },
  { kind: 'raw', user: 'dora', groups: [BULK, NEWS] },
  { kind: 'raw', user: 'emil', device: 'desk' },
  { kind: 'reliable', user: 'emil', joins: [NEWS] },
  { kind: 'plain', user: 'fred', device: 'phone', groups: [NEWS] },
  { kind: 'npm plain', user: 'gina', joins: [NEWS] },
  { kind: 'reliable', user: 'hans', acknowledgeMs: 100, toggledGroup: FLEETING },
  { kind: 'reliable', user: 'ida', joins: [NEWS], toggledGroup: FLEETING },
  { kind: 'reliable', user: 'jan', acknowledgeMs: 8000, joins: [NEWS] },
  { kind: 'reliable', user: 'kim', device: 'phone', acknowledgeMs: 2000, groups: [BULK] },
  { kind: 'npm reliable', user: 'lara', joins: [NEWS] },
  { kind: 'npm reliable', user: 'max', joins: [NEWS, FLEETING] },
  { kind: 'npm reliable', user: 'nora' },
  { kind: 'npm reliable', user: 'otto', groups: [BULK] },
  { kind: 'sse', user: 'paul', groups: [NEWS] },
  { kind: 'sse', user: 'rosa', device: 'tablet' },
  { kind: 'sse', user: 'sven', groups: [BULK, NEWS] },
  { kind: 'sse', user: 'tina', groups: [NEWS] }
]

const NAMES = [...new Set(CLIENTS.map(({ user }) => user))]
export const USERS: ReadonlyArray<`user:${string}`> = NAMES.map((user) => `user:${user}` as const)

/** Collaborators of the clients, and the seed. */
export interface RunOptions {
  readonly hub: HubProcess
  readonly journal: Journal
  readonly crashTrigger: CrashTrigger
  readonly seed: number
}

/** A client, and the addresses of the settled client. */
export interface CampaignClient {
  readonly subject: Subject
  readonly stableAddresses: readonly AddressKey[]
  /** Whether the client receives more messages than a paused connection can take. */
  readonly isBulk: boolean
}

/** Creates all clients; the users are members of their groups when this resolves. */
export async function createClients (t: Test, options: RunOptions): Promise<CampaignClient[]> {
  for (const { user, groups = [] } of [...CLIENTS, { user: AUDITOR, groups: [NEWS, BULK, FLEETING] }]) {
    for (const group of groups) await options.hub.api('PUT', `/users/${user}/groups/${group}`)
  }
  const clients = []
  for (const [n, spec] of CLIENTS.entries()) clients.push(await createClient(t, options, spec, n))
  return clients
}

/** Creates one client. `n` gives each client random numbers of its own. */
export async function createClient (
  t: Test, options: RunOptions, spec: ClientSpec, n: number
): Promise<CampaignClient> {
  const { hub, journal, crashTrigger, seed } = options
  const { kind, user, device = '', groups = [], joins = [], acknowledgeMs = 1000, toggledGroup = '' } = spec
  const stableAddresses = [...addressesOf({ user, groups }), ...joins.map((group) => `group:${group}`)]
  const name = `${kind} ${user}${device === '' ? '' : `/${device}`}`
  const addresses = toggledGroup === '' ? stableAddresses : [...stableAddresses, `group:${toggledGroup}` as const]
  const recorder = new Recorder({ name, journal, addresses })
  const random = new Random(seed + 100 + n)
  const link = await Link.open(t, hub.port, random)
  const parts = { user, device, groups, link, recorder, journal, crashTrigger, random }
  const subject = createSubject(kind, { ...parts, joins, acknowledgeMs, toggledGroup })
  t.teardown(() => subject.stop())
  return { subject, stableAddresses, isBulk: groups.includes(BULK) }
}

function createSubject (kind: Subject['kind'], options: ConstructorParameters<typeof ReliableSubject>[0]): Subject {
  switch (kind) {
    case 'raw':
    case 'plain': return new WsSubject(kind, options)
    case 'npm plain':
    case 'npm reliable': return new NpmSubject(kind, options)
    case 'reliable': return new ReliableSubject(options)
    case 'sse': return new SseSubject(options)
  }
}

/** Starts a client that reads all messages to everyone and to groups in the log after an offset. */
export async function startAuditor (
  t: Test, runOptions: RunOptions, recorder: Recorder, after: number
): Promise<SseSubject> {
  const { hub, journal, crashTrigger, seed } = runOptions
  const random = new Random(seed)
  const link = await Link.open(t, hub.port, random)
  const options: SubjectOptions = {
    user: AUDITOR,
    device: '',
    groups: [],
    link,
    recorder,
    journal,
    crashTrigger,
    random
  }
  const subject = new SseSubject(options, after)
  subject.start()
  return subject
}
