import { createHash } from 'node:crypto'
import { addressKey, type Draft } from '../model/message.ts'

const DIGEST_BYTES = 16

/**
 * The digest of a draft: address, payload, and every option that changes the delivery. Distinguishes a repetition from
 * another message under the same idempotency key.
 */
export function digestOf ({ address, payload, ttl, keep = true, except = [], conflate }: Draft): Buffer {
  const options = JSON.stringify([addressKey(address), payload.kind, ttl, keep, except, conflate])
  return createHash('sha256').update(`${options} `).update(payload.data).digest().subarray(0, DIGEST_BYTES)
}
