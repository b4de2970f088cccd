// npm run bench [-- --quick] [--rounds N] [--only <peer or scenario>]…
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildStamp } from './build.ts'
import { writeDocs } from './docs.ts'
import { readFlags, type Plan } from './flags.ts'
import { machine, versions } from './machine.ts'
import { baseUrl } from './paths.ts'
import { report } from './report.ts'
import { writeResults, type Results } from './results.ts'

const plan = readFlags(process.argv.slice(2))
install()
const build = buildStamp()
const results = await measure(plan)
const tables = report(results, plan.scenarios, plan.peers)
process.stdout.write(`\n${tables}\n\n`)
keep()

async function measure ({ command, effort, peers, scenarios }: Plan): Promise<Results> {
  const results: Results = {
    date: new Date().toISOString(),
    command,
    seconds: 0,
    machine: machine(),
    versions: versions(peers),
    effort,
    samples: {}
  }
  for (let round = 0; round < effort.rounds; round++) {
    for (const scenario of scenarios) {
      process.stdout.write(`round ${round + 1} of ${effort.rounds}: ${scenario.id}\n`)
      assertSameBuild()
      const found = await scenario.measure(rotated(peers, round), effort)
      const samples = (results.samples[scenario.id] ??= {})
      for (const [peer, sample] of Object.entries(found)) (samples[peer] ??= []).push(sample)
    }
  }
  assertSameBuild()
  return { ...results, seconds: Math.round(performance.now() / 1000) }
}

// Another one goes first in every round, so that nobody gains from its place.
function rotated<T> (items: T[], by: number): T[] {
  const start = by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}

function assertSameBuild (): void {
  if (buildStamp() !== build) throw new Error('fastify-hub was compiled anew during the run: start the benchmark again, and leave dist/ alone meanwhile.')
}

function install (): void {
  if (existsSync(new URL('bench/node_modules', baseUrl))) return
  execFileSync('npm', ['ci', '--prefix', 'bench'], { cwd: fileURLToPath(baseUrl), stdio: 'inherit' })
}

function keep (): void {
  const day = results.date.slice(0, 10)
  if (plan.fitFor === 'comparison') writeResults(results, [`${day}-quick`])
  if (plan.fitFor !== 'documentation') return
  writeResults(results, [day, 'latest'])
  writeDocs(results, tables)
}
