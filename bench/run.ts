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
  // Every round visits every peer: a machine that is slow for a minute is slow for all of them.
  for (let round = 1; round <= effort.rounds; round++) {
    for (const scenario of scenarios) {
      for (const peer of peers) {
        process.stdout.write(`round ${round} of ${effort.rounds}: ${scenario.id}, ${peer.name}\n`)
        assertSameBuild()
        const samples = (results.samples[scenario.id] ??= {})
        ;(samples[peer.id] ??= []).push(await scenario.measure(peer, effort))
      }
    }
  }
  assertSameBuild()
  return { ...results, seconds: Math.round(performance.now() / 1000) }
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
