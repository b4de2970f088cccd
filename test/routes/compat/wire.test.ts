import { readFileSync } from 'node:fs'
import t from 'tap'
import { packagePath } from '../../../services/cli/package.ts'
import { play, transcriptsIn } from './wire.ts'

const page = readFileSync(packagePath('docs', 'go-services-wire.md'), 'utf8')

for (const transcript of transcriptsIn(page)) t.test(transcript.title, (t) => play(t, transcript))
