// Takes over 10 s on a busy machine: child processes write to a store, are killed, and start again.
import t from 'tap'
import { durableSuite } from '../../../engine-suite/engine-suite.ts'
import { openEngine } from './kit.ts'

t.setTimeout(120_000)
durableSuite('file', openEngine)
