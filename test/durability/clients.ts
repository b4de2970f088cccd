import type { Test } from 'tap'
import type { AddressKey } from '../../services/model/message.ts'
import { Random } from '../soak/random.ts'
import type { HubProcess } from './hub-process.ts'
import type { Journal } from './journal.ts'
import { Link } from './link.ts'
import { NpmSubject } from './npm-subject.ts'
import { ReliableSubject } from './reliable-subject.ts'
import { SseSubject } from './sse-subject.ts'
import { addressesOf, type Subject, type SubjectOptions } from './subject.ts'
import type { Tripwire } from './crash-trigger.ts'
import { Witness } from './recorder.ts'
import { WsSubject } from './ws-subject.ts'

/** A group of those who are given more than they can take. */
export const BULK = 'bulk'
/** A group that everybody is in for good. */
export const NEWS = 'news'
/** A group that some join and leave. */
export const FLEETING = 'fleeting'

/** Reads the log when all is calm. */
export const AUDITOR = 'auditor'

/** One client of the crew. */
export interface Place {
  readonly kind: Subject['kind']
  readonly user: string
  readonly device?: string
  /** Groups of its user. */
  readonly groups?: readonly string[]
  /** Groups that it joins itself. */
  readonly joins?: readonly string[]
  readonly acknowledgeMs?: number
  readonly wavers?: string
}

const PLACES: readonly Place[] = [
  { kind: 'raw', user: 'anna', device: 'phone', groups: [NEWS] },
  { kind: 'raw', user: 'anna', device: 'laptop', groups: [NEWS] },
  { kind: 'raw', user: 'ben' },
  { kind: 'raw', user: 'carl', device: 'wall', groups: [BULK] },
  { kind: 'raw', user: 'dora', groups: [BULK, NEWS] },
  { kind: 'raw', user: 'emil', device: 'desk' },
  { kind: 'reliable', user: 'emil', joins: [NEWS] },
  { kind: 'plain', user: 'fred', device: 'phone', groups: [NEWS] },
  { kind: 'npm plain', user: 'gina', joins: [NEWS] },
  { kind: 'reliable', user: 'hans', acknowledgeMs: 100, wavers: FLEETING },
  { kind: 'reliable', user: 'ida', joins: [NEWS], wavers: FLEETING },
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

export const USERS: ReadonlyArray<`user:${string}`> = [...new Set(PLACES.map(({ user }) => user))].map((user) => `user:${user}` as const)

/** What the crew works with. */
export interface CrewOptions {
  readonly hub: HubProcess
  readonly journal: Journal
  readonly tripwire: Tripwire
  readonly seed: number
}

/** A client, and where it is once all is calm. */
export interface Member {
  readonly subject: Subject
  readonly home: readonly AddressKey[]
  /** Whether more is said to it than it can take when it is held up. */
  readonly isBulk: boolean
}

/** Makes the clients; their users are in their groups when this resolves. */
export async function gather (t: Test, options: CrewOptions): Promise<Member[]> {
  for (const { user, groups = [] } of [...PLACES, { user: AUDITOR, groups: [NEWS, BULK, FLEETING] }]) {
    for (const group of groups) await options.hub.api('PUT', `/users/${user}/groups/${group}`)
  }
  const members = []
  for (const [n, place] of PLACES.entries()) members.push(await settle(t, options, place, n))
  return members
}

/** Makes one client. `n` tells it from others. */
export async function settle (t: Test, { hub, journal, tripwire, seed }: CrewOptions, place: Place, n: number): Promise<Member> {
  const { kind, user, device = '', groups = [], joins = [], acknowledgeMs = 1000, wavers = '' } = place
  const home = [...addressesOf({ user, groups }), ...joins.map((group) => `group:${group}`)]
  const witness = new Witness({ name: `${kind} ${user}${device === '' ? '' : `/${device}`}`, journal, addresses: wavers === '' ? home : [...home, `group:${wavers}`] })
  const parts = { user, device, groups, link: await Link.open(t, hub.port), witness, journal, tripwire, random: new Random(seed + 100 + n) }
  const subject = create(kind, { ...parts, joins, acknowledgeMs, wavers })
  t.teardown(() => subject.stop())
  return { subject, home, isBulk: groups.includes(BULK) }
}

function create (kind: Subject['kind'], options: ConstructorParameters<typeof ReliableSubject>[0]): Subject {
  switch (kind) {
    case 'raw':
    case 'plain': return new WsSubject(kind, options)
    case 'npm plain':
    case 'npm reliable': return new NpmSubject(kind, options)
    case 'reliable': return new ReliableSubject(options)
    case 'sse': return new SseSubject(options)
  }
}

/** A client that reads everything that the log has for all and for groups, from after an offset. */
export async function audit (t: Test, { hub, journal, tripwire, seed }: CrewOptions, witness: Witness, after: number): Promise<SseSubject> {
  const options: SubjectOptions = { user: AUDITOR, device: '', groups: [], link: await Link.open(t, hub.port), witness, journal, tripwire, random: new Random(seed) }
  const subject = new SseSubject(options, after)
  subject.start()
  return subject
}
