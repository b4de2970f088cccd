// The thread that seals segments: receives requests, and answers each with its result or its error.
import { parentPort } from 'node:worker_threads'
import { sealSegment, type SealRequest } from './seal.ts'

parentPort?.on('message', (request: SealRequest) => {
  try {
    parentPort?.postMessage({ result: sealSegment(request) })
  } catch (error) {
    parentPort?.postMessage({ error })
  }
})
