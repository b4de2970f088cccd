// Runs scripts of package.json at the same time: `node scripts/at-once.js lint:code lint:types`. Prints the output of each
// when it has ended, and ends with exit code 1 when one of them has failed.
import { spawn } from 'node:child_process'

const codes = await Promise.all(process.argv.slice(2).map(run))
process.exitCode = codes.every((code) => code === 0) ? 0 : 1

function run (script) {
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', script], { stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
    child.on('error', (error) => chunks.push(`${error.message}\n`))
    child.on('close', (code) => {
      process.stdout.write(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))))
      resolve(code)
    })
  })
}
