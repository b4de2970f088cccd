// When the disk is full, live clients still receive published messages, receipts and /readyz state that messages are
// not stored, and earlier messages are kept; when there is free space again, messages are stored again.
//
// The test runs the real program (`node dist/server.js`, so `npm run build` comes first) and fills the disk.
//
// Takes over 10 s: for each of two disks, the program starts, fills the disk, and stores again.

import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkRound } from './check.ts'
import { createClient, type CampaignClient } from './clients.ts'
import { FileLimit, SmallFileSystem, type Disk } from './disk.ts'
import { HubProcess } from './hub-process.ts'
import { Journal, textOf, type PublishedMessage } from './journal.ts'
import { CrashTrigger } from './crash-trigger.ts'
import { Random } from '../support/random.ts'
import { until } from '../support/helper.ts'

const CLIENTS = [
  { kind: 'raw', user: 'anna', device: 'phone' },
  { kind: 'plain', user: 'ben' },
  { kind: 'reliable', user: 'carl', acknowledgeMs: 50 },
  { kind: 'npm reliable', user: 'dora' },
  { kind: 'sse', user: 'emil' }
] as const
/** Size of a message that does not fit on a full disk. */
const MESSAGE_BYTES = 30_000
/** More messages than fit on the disk. */
const MAX_MESSAGES = 3000

t.setTimeout(240_000)

for (const disk of [new SmallFileSystem(), new FileLimit()]) {
  const skip = await disk.unavailableReason()
  const title = 'on a full disk, live clients receive every message, and receipts and /readyz state that no message is stored'
  t.test(`${title} (${disk.name})`, { skip }, async (t) => {
    const { hub, journal, clients, publish } = await start(t, disk)
    const hasAll = ({ subject: { recorder } }: CampaignClient, all: readonly PublishedMessage[]) => {
      return all.every(({ n, address }) => !recorder.addresses.has(address) || recorder.has(n))
    }
    const allClientsHave = (all: readonly PublishedMessage[]) => {
      return until(() => clients.every((client) => hasAll(client, all)), 'all clients to receive all messages')
    }

    t.same((await hub.api('GET', '/readyz')).status, 200)
    const before = [await publish('all'), await publish('user:anna'), await publish('user:emil')]
    t.same(before.map(({ stored }) => stored), [true, true, true])

    await disk.fill(hub)
    const filling = []
    for (let left = MAX_MESSAGES; left > 0; left--) {
      filling.push(await publish('all', MESSAGE_BYTES))
      if (filling.at(-1)?.stored === false) break
    }
    t.equal(filling.at(-1)?.stored, false, 'a receipt states that the message is not stored')
    const ready = await hub.api('GET', '/readyz')
    t.equal(ready.status, 503, '/readyz responds that the hub is not ready')
    t.same(ready.body, { status: 'cannot store', problem: 'The log cannot be written; messages are delivered and not stored.' })
    t.equal((await hub.api('GET', '/healthz')).status, 200)

    const full = []
    const statuses = new Set<number>()
    for (let n = 0; n < 20; n++) {
      for (const address of ['all', 'user:anna', 'user:carl'] as const) full.push(await publish(address, MESSAGE_BYTES))
      statuses.add((await hub.api('GET', '/readyz')).status)
    }
    t.same([...statuses], [503], '/readyz does not change while the disk is full')
    const lines = hub.faults.filter((fault) => fault.startsWith('the hub logged an error'))
    t.equal(lines.length, 1, 'the log has one line about the full disk')
    t.match(lines[0], /cannot be written/)
    const unstored = full.filter(({ stored }) => !stored).length
    t.ok(unstored > 20, `${unstored} of ${full.length} messages are not stored`)
    await allClientsHave([...before, ...filling, ...full].map(({ published }) => published))
    t.pass('live clients have every message')

    await disk.freeSpace(hub)
    await until(async () => (await publish('all', MESSAGE_BYTES)).stored, 'that messages are stored again')
    t.equal((await hub.api('GET', '/readyz')).status, 200)
    const after = [await publish('user:anna'), await publish('user:emil'), await publish('all')]
    t.same(after.map(({ stored }) => stored), [true, true, true])

    await hub.end('SIGKILL')
    t.ok(await hub.start())
    await until(async () => await areCaughtUp(hub), 'all clients to resume or start over, and to catch up')
    await until(() => clients.every(isConnected), 'all clients to reconnect')
    const last = [await publish('all'), ...await Promise.all(CLIENTS.map(({ user }) => publish(`user:${user}`)))]
    await allClientsHave(last.map(({ published }) => published))
    const { faults } = checkRound(clients.map(({ subject: { recorder } }) => recorder), journal)
    t.same(faults, [])
    t.same(await missingMessages(hub, journal), [], 'every message with a stored receipt is in the log')
    for (const { subject } of clients) subject.stop()
    await hub.end('SIGTERM')
    // The hub logs errors about the full disk.
    t.same(hub.faults.filter((fault) => !/^the hub (logged|wrote)/.test(fault)), [])
  })
}

/** Starts a hub with its log on the disk, and connects the clients. */
async function start (t: Test, disk: Disk) {
  const websocket = { maxQueueSize: '64KiB', maxMessageSize: '64KiB', drain: { grace: '1s' } } as const
  const engine = { path: 'log', maxSize: '1GiB' } as const
  const hub = await HubProcess.prepare(t, new Random(Date.now()), { engine, console: false, websocket })
  await disk.prepare(t, join(hub.folder, 'log'))
  await hub.start()
  const journal = new Journal()
  const options = { hub, journal, crashTrigger: new CrashTrigger(), seed: 1 }
  const clients: CampaignClient[] = []
  for (const [n, spec] of CLIENTS.entries()) clients.push(await createClient(t, options, spec, n))
  for (const { subject } of clients) subject.start()
  await until(() => clients.every(isConnected), 'all clients to connect')

  const publish = async (address: PublishedMessage['address'], bytes = 64) => {
    const published = journal.begin(address, bytes)
    const path = address === 'all' ? '/broadcast' : `/users/${address.slice('user:'.length)}/messages`
    const { status, body } = await hub.api('POST', path, { message: textOf(published) })
    if (status !== 202) throw new Error(`A message got status ${status}: ${JSON.stringify(body)}`)
    const { offset, stored } = body as { offset: number, stored: boolean }
    if (stored) journal.acknowledge(published, offset)
    return { published, stored }
  }
  return { hub, journal, clients, publish }
}

/** Whether a client is connected. */
function isConnected ({ subject: { recorder } }: CampaignClient): boolean {
  return recorder.isSubscribed('all')
}

/** Whether all clients are connected and have received all messages. */
async function areCaughtUp (hub: HubProcess): Promise<boolean> {
  const { body } = await hub.api('GET', '/clients')
  const clients = body['clients'] as Array<{ behind: boolean }>
  return body['total'] === CLIENTS.length && clients.every(({ behind }) => !behind)
}

/** Messages that have a stored receipt and are missing from the log. */
async function missingMessages (hub: HubProcess, journal: Journal): Promise<number[]> {
  const numbers = []
  for (const { n, acknowledged } of journal.all()) {
    if (acknowledged === null) continue
    const { status } = await hub.api('GET', `/messages/${acknowledged.offset}`)
    if (status !== 200) numbers.push(n)
  }
  return numbers
}
