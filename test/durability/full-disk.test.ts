// When the disk is full, live clients go on getting what is said, receipts and /readyz say that nothing is stored, and
// what was stored before is kept; when there is room again, messages are stored again.
//
// The real program (`node dist/server.js`, so `npm run build` comes first) on a disk that is filled up.

import { join } from 'node:path'
import t, { type Test } from 'tap'
import { judge } from './check.ts'
import { settle, type Member } from './clients.ts'
import { FileLimit, SmallFileSystem, type Disk } from './disk.ts'
import { HubProcess } from './hub-process.ts'
import { Journal, textOf, type Said } from './journal.ts'
import { Tripwire } from './crash-trigger.ts'
import { Random } from '../soak/random.ts'
import { until } from '../support/helper.ts'

const PLACES = [
  { kind: 'raw', user: 'anna', device: 'phone' },
  { kind: 'plain', user: 'ben' },
  { kind: 'reliable', user: 'carl', acknowledgeMs: 50 },
  { kind: 'npm reliable', user: 'dora' },
  { kind: 'sse', user: 'emil' }
] as const
/** Large enough for what is full to be full for them. */
const BYTES = 30_000
/** More of them than there is room for. */
const MOST = 3000

t.setTimeout(240_000)

for (const disk of [new SmallFileSystem(), new FileLimit()]) {
  const skip = await disk.missing()
  t.test(`a full disk (${disk.name})`, { skip }, async (t) => {
    const { hub, journal, members, say } = await start(t, disk)
    const everybodyHas = (all: readonly Said[]) => until(() => members.every(({ subject: { witness } }) => all.every(({ n, address }) => !witness.addresses.has(address) || witness.has(n))), 'everybody to have what was said')

    t.same((await hub.api('GET', '/readyz')).status, 200)
    const before = [await say('all'), await say('user:anna'), await say('user:emil')]
    t.same(before.map(({ stored }) => stored), [true, true, true])

    await disk.fill(hub)
    const filling = []
    for (let left = MOST; left > 0; left--) {
      filling.push(await say('all', BYTES))
      if (filling.at(-1)?.stored === false) break
    }
    t.equal(filling.at(-1)?.stored, false, 'a receipt says that nothing is stored')
    const ready = await hub.api('GET', '/readyz')
    t.equal(ready.status, 503, 'not ready')
    t.match(JSON.stringify(ready.body), /written/, 'and says why')
    t.equal((await hub.api('GET', '/healthz')).status, 200)

    const full = []
    for (let n = 0; n < 20; n++) full.push(await say('all', BYTES), await say('user:anna', BYTES), await say('user:carl', BYTES))
    t.ok(full.filter(({ stored }) => !stored).length > 20, `${full.filter(({ stored }) => !stored).length} of ${full.length} were not stored`)
    await everybodyHas([...before, ...filling, ...full].map(({ said }) => said))
    t.pass('live clients have everything')

    await disk.makeRoom(hub)
    await until(async () => (await say('all', BYTES)).stored, 'that messages are stored again')
    t.equal((await hub.api('GET', '/readyz')).status, 200)
    const after = [await say('user:anna'), await say('user:emil'), await say('all')]
    t.same(after.map(({ stored }) => stored), [true, true, true])

    await hub.end('SIGKILL')
    t.ok(await hub.start())
    await until(async () => await hasAll(hub), 'everybody to come back, or to start over, and to catch up')
    await until(() => members.every(({ subject: { witness } }) => witness.isAt('all')), 'everybody to come back')
    const last = [await say('all'), ...await Promise.all(PLACES.map(({ user }) => say(`user:${user}`)))]
    await everybodyHas(last.map(({ said }) => said))
    const { faults } = judge(members.map(({ subject: { witness } }) => witness), journal)
    t.same(faults, [])
    t.same(await missing(hub, journal), [], 'what was called stored is in the log')
    for (const { subject } of members) subject.stop()
    await hub.end('SIGTERM')
    // It and lmdb have something to say about the disk.
    t.same(hub.faults.filter((fault) => !/^the hub (logged|wrote)/.test(fault)), [])
  })
}

/** A hub with its log on the disk, and clients who are there. */
async function start (t: Test, disk: Disk) {
  const hub = await HubProcess.prepare(t, new Random(Date.now()), { engine: { path: 'log', maxSize: '1GiB' }, console: false, websocket: { maxQueueSize: '64KiB', maxMessageSize: '64KiB', drain: { grace: '1s' } } })
  await disk.prepare(t, join(hub.folder, 'log'))
  await hub.start()
  const journal = new Journal()
  const options = { hub, journal, tripwire: new Tripwire(), seed: 1 }
  const members: Member[] = []
  for (const [n, place] of PLACES.entries()) members.push(await settle(t, options, place, n))
  for (const { subject } of members) subject.start()
  await until(() => members.every(({ subject: { witness } }) => witness.isAt('all')), 'everybody to come')

  const say = async (address: Said['address'], bytes = 64): Promise<{ said: Said, stored: boolean }> => {
    const said = journal.begin(address, bytes)
    const { status, body } = await hub.api('POST', address === 'all' ? '/broadcast' : `/users/${address.slice('user:'.length)}/messages`, { message: textOf(said) })
    if (status !== 202) throw new Error(`A message was answered with ${status}: ${JSON.stringify(body)}`)
    const { offset, stored } = body as { offset: number, stored: boolean }
    if (stored) journal.acknowledge(said, offset)
    return { said, stored }
  }
  return { hub, journal, members, say }
}

/** Whether all clients are there and have everything. */
async function hasAll (hub: HubProcess): Promise<boolean> {
  const { body } = await hub.api('GET', '/clients')
  return body['total'] === PLACES.length && (body['clients'] as Array<{ behind: boolean }>).every(({ behind }) => !behind)
}

/** Messages that were called stored and that the log does not have. */
async function missing (hub: HubProcess, journal: Journal): Promise<number[]> {
  const numbers = []
  for (const { n, acknowledged } of journal.all()) {
    if (acknowledged !== null && (await hub.api('GET', `/messages/${acknowledged.offset}`)).status !== 200) numbers.push(n)
  }
  return numbers
}
