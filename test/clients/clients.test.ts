// Client libraries of other people do their jobs against the real program (`node dist/server.js`, so `npm run build`
// comes first), each behind a network of its own. All clients do a job at the same time.
//
//   npm run test:clients                                   all clients; installs those in other languages
//   HUB_CLIENTS=httpx,go npm run test:clients              clients with one of these texts in name or language
//   HUB_CLIENTS_WRITE=1 npm run test:clients               writes the table of docs/clients.md
//
// Without HUB_CLIENTS, in `npm test`, the test has a short form: the clients in Node, without the drain. Takes over 10 s:
// libraries wait up to a second before they reconnect, and the service is started several times.

import { randomInt } from 'node:crypto'
import t from 'tap'
import { HubProcess } from '../durability/hub-process.ts'
import { Link } from '../durability/link.ts'
import { Random } from '../support/random.ts'
import { chosenClients, CLIENTS } from './clients.ts'
import { GROUP, JOBS, runJob } from './jobs.ts'
import { asDocumentation, asText, documentedLines, writeDocumentation } from './matrix.ts'
import { Subject } from './subject.ts'

const TIMEOUT_MS = 480_000
const IS_LONG = process.env.HUB_CLIENTS !== undefined

t.setTimeout(TIMEOUT_MS)

t.test('clients of other people receive every message once and in order, whatever happens to them and to the hub', async (t) => {
  t.setTimeout(TIMEOUT_MS)
  // Before the hub starts: an installation takes long, and blocks this process.
  const installed = chosenClients(process.env.HUB_CLIENTS).map((client) => ({ client, program: client.install() }))
  const random = new Random(randomInt(2 ** 31))
  const hub = await HubProcess.prepare(t, random, {
    console: false,
    sse: { retry: '100ms' },
    websocket: { pingPeriod: '500ms' }
  })
  const subjects: Subject[] = []
  for (const { client, program } of installed) {
    if (typeof program === 'string') {
      t.test(`${client.name} (${client.language})`, { skip: program }, async () => {})
      continue
    }
    const user = `user-${subjects.length}`
    const subject = new Subject(client, program, await Link.open(t, hub.port, random), user)
    t.teardown(() => subject.stop())
    subjects.push(subject)
  }
  if (subjects.length === 0) return

  await hub.start()
  for (const { user } of subjects) await hub.api('PUT', `/users/${user}/groups/${GROUP}`)
  const ready = await Promise.all(subjects.map(async (subject) => {
    try {
      await subject.start()
      return true
    } catch (error) {
      subject.fail(JOBS[0]?.name ?? '', String(error))
      return false
    }
  }))

  const bench = { hub, subjects: subjects.filter((_, at) => ready[at]) }
  const jobs = JOBS.filter(({ isLong = false }) => IS_LONG || !isLong)
  for (const job of jobs) {
    const start = performance.now()
    await runJob(bench, job)
    print(`${job.name}: ${Math.round(performance.now() - start)} ms`)
  }
  for (const subject of subjects) await subject.stop()
  await hub.end('SIGTERM')

  for (const line of asText(subjects, jobs)) print(line)
  for (const { client, results } of subjects) {
    t.same([...results].filter(([, result]) => result !== 'ok'), [], `${client.name} does every job`)
  }
  t.same(hub.faults, [], 'the hub logs no error')

  if (!IS_LONG) return
  if (process.env.HUB_CLIENTS_WRITE !== undefined && subjects.length === CLIENTS.length) writeDocumentation(subjects, JOBS)
  const documented = new Set(documentedLines())
  const undocumented = asDocumentation(subjects, JOBS).filter((row) => !documented.has(row))
  t.same(undocumented, [], 'docs/clients.md has these results; HUB_CLIENTS_WRITE=1 npm run test:clients writes them')
})

/** Prints a line beside the report of the test. */
function print (line: string): void {
  process.stderr.write(`${line}\n`)
}
