// When the disk is full, live clients go on getting what is published, receipts and /readyz say that nothing is stored, and
// what was stored before is kept; when there is room again, messages are stored again.
//
// The real program (`node dist/server.js`, so `npm run build` comes first) on a disk that is filled up.

import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkRound } from './check.ts'
import { createClient, type CampaignClient } from './clients.ts'
import { FileLimit, SmallFileSystem, type Disk } from './disk.ts'
import { HubProcess } from './hub-process.ts'
import { Journal, textOf, type PublishedMessage } from './journal.ts'
import { CrashTrigger } from './crash-trigger.ts'
import { Random } from '../soak/random.ts'
import { until } from '../support/helper.ts'

const CLIENTS = [
  { kind: 'raw', user: 'anna', device: 'phone' },
  { kind: 'plain', user: 'ben' },
  { kind: 'reliable', user: 'carl', acknowledgeMs: 50 },
  { kind: 'npm reliable', user: 'dora' },
  { kind: 'sse', user: 'emil' }
] as const
/** Large enough for what is full to be full for them. */
const MESSAGE_BYTES = 30_000
/** More of them than there is room for. */
const MAX_MESSAGES = 3000

t.setTimeout(240_000)

for (const disk of [new SmallFileSystem(), new FileLimit()]) {
  const skip = await disk.unavailableReason()
  t.test(`a full disk (${disk.name})`, { skip }, async (t) => {
    const { hub, journal, clients, publish } = await start(t, disk)
    const allClientsHave = (all: readonly PublishedMessage[]) => until(() => clients.every(({ subject: { recorder } }) => all.every(({ n, address }) => !recorder.addresses.has(address) || recorder.has(n))), 'everybody to have what was said')

    t.same((await hub.api('GET', '/readyz')).status, 200)
    const before = [await publish('all'), await publish('user:anna'), await publish('user:emil')]
    t.same(before.map(({ stored }) => stored), [true, true, true])

    await disk.fill(hub)
    const filling = []
    for (let left = MAX_MESSAGES; left > 0; left--) {
      filling.push(await publish('all', MESSAGE_BYTES))
      if (filling.at(-1)?.stored === false) break
    }
    t.equal(filling.at(-1)?.stored, false, 'a receipt says that nothing is stored')
    const ready = await hub.api('GET', '/readyz')
    t.equal(ready.status, 503, 'not ready')
    t.match(JSON.stringify(ready.body), /written/, 'and says why')
    t.equal((await hub.api('GET', '/healthz')).status, 200)

    const full = []
    for (let n = 0; n < 20; n++) full.push(await publish('all', MESSAGE_BYTES), await publish('user:anna', MESSAGE_BYTES), await publish('user:carl', MESSAGE_BYTES))
    t.ok(full.filter(({ stored }) => !stored).length > 20, `${full.filter(({ stored }) => !stored).length} of ${full.length} were not stored`)
    await allClientsHave([...before, ...filling, ...full].map(({ published }) => published))
    t.pass('live clients have everything')

    await disk.freeSpace(hub)
    await until(async () => (await publish('all', MESSAGE_BYTES)).stored, 'that messages are stored again')
    t.equal((await hub.api('GET', '/readyz')).status, 200)
    const after = [await publish('user:anna'), await publish('user:emil'), await publish('all')]
    t.same(after.map(({ stored }) => stored), [true, true, true])

    await hub.end('SIGKILL')
    t.ok(await hub.start())
    await until(async () => await areCaughtUp(hub), 'everybody to come back, or to start over, and to catch up')
    await until(() => clients.every(({ subject: { recorder } }) => recorder.isSubscribed('all')), 'everybody to come back')
    const last = [await publish('all'), ...await Promise.all(CLIENTS.map(({ user }) => publish(`user:${user}`)))]
    await allClientsHave(last.map(({ published }) => published))
    const { faults } = checkRound(clients.map(({ subject: { recorder } }) => recorder), journal)
    t.same(faults, [])
    t.same(await missingMessages(hub, journal), [], 'what was called stored is in the log')
    for (const { subject } of clients) subject.stop()
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
  const options = { hub, journal, crashTrigger: new CrashTrigger(), seed: 1 }
  const clients: CampaignClient[] = []
  for (const [n, spec] of CLIENTS.entries()) clients.push(await createClient(t, options, spec, n))
  for (const { subject } of clients) subject.start()
  await until(() => clients.every(({ subject: { recorder } }) => recorder.isSubscribed('all')), 'everybody to come')

  const publish = async (address: PublishedMessage['address'], bytes = 64): Promise<{ published: PublishedMessage, stored: boolean }> => {
    const published = journal.begin(address, bytes)
    const { status, body } = await hub.api('POST', address === 'all' ? '/broadcast' : `/users/${address.slice('user:'.length)}/messages`, { message: textOf(published) })
    if (status !== 202) throw new Error(`A message was answered with ${status}: ${JSON.stringify(body)}`)
    const { offset, stored } = body as { offset: number, stored: boolean }
    if (stored) journal.acknowledge(published, offset)
    return { published, stored }
  }
  return { hub, journal, clients, publish }
}

/** Whether all clients are there and have everything. */
async function areCaughtUp (hub: HubProcess): Promise<boolean> {
  const { body } = await hub.api('GET', '/clients')
  return body['total'] === CLIENTS.length && (body['clients'] as Array<{ behind: boolean }>).every(({ behind }) => !behind)
}

/** Messages that were called stored and that the log does not have. */
async function missingMessages (hub: HubProcess, journal: Journal): Promise<number[]> {
  const numbers = []
  for (const { n, acknowledged } of journal.all()) {
    if (acknowledged !== null && (await hub.api('GET', `/messages/${acknowledged.offset}`)).status !== 200) numbers.push(n)
  }
  return numbers
}
