import { readdirSync } from 'node:fs'
import type { Test } from 'tap'
import { temporaryFolder, type Example } from './example.ts'

const EXPECTED_OUTPUT = `Bob is away. Three letters are written to him:
  letter 1: stored true, for 0 connections
  letter 2: stored true, for 0 connections
  letter 3: stored true, for 0 connections
The hub was restarted. In his inbox: 3
Bob comes, and gets:
  letter 1
  letter 2
  letter 3
Bob has gone. In his inbox: 0
Bob comes again, is told that he is welcome, and gets:
  welcome
Bob has gone. In his inbox: 0
`

/** Asserts the complete output. The client of Bob prints its messages. */
export async function inbox (t: Test, example: Example): Promise<void> {
  const TMPDIR = await temporaryFolder(t)
  const program = example.run('app.js', { PORT: '0', TMPDIR })
  t.equal(await program.exitCode(), 0)
  t.equal(program.output, EXPECTED_OUTPUT)
  t.same(readdirSync(TMPDIR), [], 'no temporary file remains')

  // The test in a separate project stops the program with SIGINT.
  const stopped = example.run('app.js', { PORT: '0', TMPDIR })
  await stopped.waitForOutput(/(Bob is away)/)
  t.equal(await stopped.stop('SIGTERM'), 0, 'the program closes in order on SIGTERM')
  t.same(readdirSync(TMPDIR), [], 'no temporary file remains')
}
