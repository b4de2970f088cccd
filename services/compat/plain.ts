import { raw } from '../protocol/raw.ts'
import type { Protocol } from '../protocol/protocol.ts'

const NOTHING = Buffer.alloc(0)

/** What the protocols of the older services have in common: no greeting, and everything that clients say is for their door. */
export const plain: Protocol = {
  ...raw,
  greet: () => NOTHING,
  decode: (data, isBinary) => ({ kind: 'message', data: isBinary ? data : data.toString() })
}
