import { safeParse } from 'secure-json-parse'
import { OPCODE, encodeFrame } from '../protocol/frame.ts'
import { escapeHtml, foldKeys } from './go-json.ts'
import { createCompatProtocol } from './gorilla.ts'

/** Time between two text frames `ping`, in ms. */
export const LEARN_GIN_PING_MS = 1000

/** What the course's demonstration shows: pushed by /sendall without a message, and the answer to command 101. */
export const PODS = [
  { PodName: 'pod-101', PodImage: 'nginx:1.18', PodNode: 'node1' },
  { PodName: 'pod-76xs', PodImage: 'alpine:3.12', PodNode: 'node2' },
  { PodName: 'pod-F#ff3', PodImage: 'tomcat:8', PodNode: 'node3' }
]

/** The commands of the later lessons, by their `CmdType`, and what they are answered with. */
export const COMMANDS = new Map<number, unknown>([
  [101, { Type: 'PodModel', Result: PODS }],
  [999, { Type: 'PingModel', Result: 'pong' }]
])

/** What a client commands. */
export interface LearnGinCommand {
  /** The action of the hub that obeys. */
  readonly action: string
  readonly data: unknown
}

/** The answer to a command, as it is sent: the later lessons wrote no end of line. */
export function encodeAnswer (answer: unknown): string {
  return escapeHtml(JSON.stringify(answer))
}

/** The action of the hub for a `CmdType`. */
export function actionOf (type: number): string {
  return `learnGin.${type}`
}

/** Reads a command; null for what is none. */
export function parseCommand (text: string): LearnGinCommand | null {
  const value: unknown = safeParse(text)
  if (typeof value !== 'object' || value === null) return null
  const { CmdType, CmdData } = foldKeys(value, ['CmdType', 'CmdData'])
  return Number.isSafeInteger(CmdType) ? { action: actionOf(CmdType as number), data: CmdData ?? null } : null
}

/**
 * How the course's messages look: text as it is, JSON with an end of line, and the text `ping` every second. Clients
 * leave that unanswered, so a Ping frame goes with it, which their WebSocket answers.
 */
export const learnGin = createCompatProtocol('learn-gin', ({ kind, data }) => kind === 'json' ? encodeFrame(OPCODE.text, `${escapeHtml(data)}\n`) : null, {
  ping: Buffer.concat([encodeFrame(OPCODE.text, 'ping'), encodeFrame(OPCODE.ping, '')]),
  pingPeriodMs: LEARN_GIN_PING_MS
})
