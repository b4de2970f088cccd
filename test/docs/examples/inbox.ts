import { readdirSync } from 'node:fs'
import type { Test } from 'tap'
import { temporaryFolder, type Example } from './example.ts'

const STORY = `Bob is away. Three letters are written to him:
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

/** The story, word for word: what is printed of Bob is what his client got. */
export async function inbox (t: Test, example: Example): Promise<void> {
  const TMPDIR = await temporaryFolder(t)
  const story = example.run('app.js', { PORT: '0', TMPDIR })
  t.equal(await story.ends(), 0)
  t.equal(story.output, STORY)
  t.same(readdirSync(TMPDIR), [], 'nothing is left on the disk')

  // The test in a project stops it with SIGINT.
  const stopped = example.run('app.js', { PORT: '0', TMPDIR })
  await stopped.says(/(Bob is away)/)
  t.equal(await stopped.stop('SIGTERM'), 0, 'it ends in order at SIGTERM')
  t.same(readdirSync(TMPDIR), [], 'nothing is left on the disk')
}
