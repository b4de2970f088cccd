import { safeParse } from 'secure-json-parse'
import { hasExactNumbers, isTooDeep, toJson } from '../model/json.ts'
import { OPCODE, encodeFrame } from '../protocol/frame.ts'
import { escapeHtml, foldKeys } from './go-json.ts'
import { createCompatProtocol } from './compat-protocol.ts'

/** Time between two text frames `ping`, in ms. */
export const LEARN_GIN_PING_MS = 1000

/** Sample data of the course: the broadcast of /sendall without a message, and the reply to command 101. */
export const PODS = [
  { PodName: 'pod-101', PodImage: 'nginx:1.18', PodNode: 'node1' },
  { PodName: 'pod-76xs', PodImage: 'alpine:3.12', PodNode: 'node2' },
  { PodName: 'pod-F#ff3', PodImage: 'tomcat:8', PodNode: 'node3' }
]

/** Commands of the later lessons: `CmdType` and reply of each. */
export const COMMANDS = new Map<number, unknown>([
  [101, { Type: 'PodModel', Result: PODS }],
  [999, { Type: 'PingModel', Result: 'pong' }]
])

/** A command of a client. */
export interface LearnGinCommand {
  /** Name of the hub's action that executes the command. */
  readonly action: string
  readonly data: unknown
}

/** Encodes the reply to a command, without a line feed, as the later lessons do. */
export function encodeCommandReply (reply: unknown): string {
  return escapeHtml(toJson(reply))
}

/** Name of the hub's action for a `CmdType`. */
export function actionOf (type: number): string {
  return `learnGin.${type}`
}

/** Parses a client message as a command; null for a message that is no command, or whose data would arrive changed. */
export function parseCommand (text: string): LearnGinCommand | null {
  const value: unknown = isTooDeep(text, 1) || !hasExactNumbers(text) ? undefined : safeParse(text)
  if (typeof value !== 'object' || value === null) return null
  const { CmdType, CmdData } = foldKeys(value, ['CmdType', 'CmdData'])
  return Number.isSafeInteger(CmdType) ? { action: actionOf(CmdType as number), data: CmdData ?? null } : null
}

/**
 * The protocol of the course learn-gin: text unchanged, JSON with a line feed, and the text frame `ping` every second.
 * Clients do not respond to the text, so a Ping frame follows, and the client's WebSocket responds with a Pong.
 */
export const learnGin = createCompatProtocol(
  'learn-gin',
  ({ kind, data }) => kind === 'json' ? encodeFrame(OPCODE.text, `${escapeHtml(data)}\n`) : null,
  {
    ping: Buffer.concat([encodeFrame(OPCODE.text, 'ping'), encodeFrame(OPCODE.ping, '')]),
    pingPeriodMs: LEARN_GIN_PING_MS
  }
)
