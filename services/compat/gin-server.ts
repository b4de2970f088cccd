import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { safeParse } from 'secure-json-parse'
import { Id } from '../model/message.ts'
import { OPCODE, encodeFrame } from '../protocol/frame.ts'
import { escapeHtml, foldKeys } from './go-json.ts'
import type { CommandResult } from '../protocol/protocol.ts'
import { createCompatProtocol } from './gorilla.ts'

/** Other connections that one answer may go to. */
const MAX_OTHERS = 100

const Nullable = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
const Request = Type.Object({
  company: Nullable(Type.String()),
  actioncode: Nullable(Type.String()),
  data: Nullable(Type.Object({})),
  token: Nullable(Type.String()),
  is_broadcast: Nullable(Type.Boolean()),
  client_ids: Nullable(Type.Array(Type.String(), { maxItems: MAX_OTHERS }))
})
const requests = TypeCompiler.Compile(Request)
const ids = TypeCompiler.Compile(Id)

/** What a client asked for. */
export interface GinServerRequest {
  readonly actioncode: string
  readonly data: unknown
  readonly isBroadcast: boolean
  /** Other connections that get the answer as well. */
  readonly clientIds: readonly string[]
}

/** What a client is answered with, in this order of keys. */
export interface Envelope {
  readonly code: number
  readonly msg: string
  readonly data: unknown
  readonly actioncode: string
}

const TEXTS = { success: [0, '成功'], invalid: [1, '非法参数'], notFound: [3, '记录不存在'], failed: [4, '系统异常'], forbidden: [9, '权限不足'] } as const
const TEXT_OF_ERROR: Record<string, typeof TEXTS[keyof typeof TEXTS]> = {
  HUB_REQUEST_INVALID: TEXTS.invalid,
  HUB_MESSAGE_TOO_LARGE: TEXTS.invalid,
  HUB_NOT_FOUND: TEXTS.notFound,
  HUB_FORBIDDEN: TEXTS.forbidden
}
const APPLICATION_CODE = /^\d{1,9}$/

/** Appended to gorilla's answer to what is no handshake. */
export const AFTER_BAD_REQUEST = '{"code":51001,"msg":"invalid error code","data":""}'

/** How ginServer's messages look: JSON as Go writes it, without an end of line. */
export const ginServer = createCompatProtocol('gin-server', ({ kind, data }) => kind === 'json' ? encodeFrame(OPCODE.text, escapeHtml(data)) : null)

/** Reads what a client sent, text or binary; null for what Go could not decode. */
export function parseRequest (text: string): GinServerRequest | null {
  const value: unknown = safeParse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const folded: unknown = foldKeys(value, Object.keys(Request.properties))
  if (!requests.Check(folded)) return null
  const { actioncode, data, is_broadcast: isBroadcast, client_ids: clientIds } = folded satisfies Static<typeof Request>
  const others = new Set(clientIds ?? [])
  return { actioncode: actioncode ?? '', data: data ?? {}, isBroadcast: isBroadcast === true, clientIds: [...others].filter((id) => ids.Check(id)) }
}

/**
 * The names of actions that an action code stands for, likeliest first. Go made `HeartBeat` of `heart_beat`, `heartBeat`
 * and `heart beat`; the hub's actions may be written in any of these ways.
 */
export function actionNames (actioncode: string): string[] {
  // The letters after anything but a letter, a digit or an underscore become capitals (package strings, Title).
  const titled = actioncode.replaceAll('_', ' ').replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase())
  const pascal = titled.replaceAll(' ', '')
  const camel = pascal.charAt(0).toLowerCase() + pascal.slice(1)
  return [actioncode, camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), camel, pascal]
}

/** The answer to a request; an action that gives nothing gives true. Errors of the application keep their code when it is a number. */
export function toEnvelope (actioncode: string, result: CommandResult): Envelope {
  const [success, msg] = TEXTS.success
  if (result.ok) return { code: success, msg, data: result.data ?? true, actioncode }
  const { error } = result
  if (APPLICATION_CODE.test(error.code)) return { code: Number(error.code), msg: error.message, data: '', actioncode }
  const [code, text] = TEXT_OF_ERROR[error.code] ?? TEXTS.failed
  return { code, msg: text, data: '', actioncode }
}

/** The answer for one who may not reach others. */
export function forbidden (actioncode: string): Envelope {
  return toEnvelope(actioncode, { ok: false, error: { code: 'HUB_FORBIDDEN', message: '' } })
}

/** An envelope as it is sent: written once, for however many. What JSON cannot say is answered as a failure. */
export function encodeEnvelope (envelope: Envelope): string {
  try {
    return escapeHtml(JSON.stringify(envelope))
  } catch {
    const [code, msg] = TEXTS.failed
    return encodeEnvelope({ ...envelope, code, msg, data: '' })
  }
}
