import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { safeParse } from 'secure-json-parse'
import { hasExactNumbers, isTooDeep, toJson } from '../model/json.ts'
import { Id, type ClientId } from '../model/message.ts'
import { OPCODE, encodeFrame } from '../protocol/frame.ts'
import type { CommandResult } from '../protocol/protocol.ts'
import { escapeHtml, foldKeys } from './go-json.ts'
import { createCompatProtocol } from './compat-protocol.ts'

/** Most other clients that one reply may go to. */
const MAX_OTHER_CLIENTS = 100

const Nullable = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) =>
  Type.Optional(Type.Union([schema, Type.Null()]))
const Request = Type.Object({
  company: Nullable(Type.String()),
  actioncode: Nullable(Type.String()),
  data: Nullable(Type.Object({})),
  token: Nullable(Type.String()),
  is_broadcast: Nullable(Type.Boolean()),
  client_ids: Nullable(Type.Array(Type.String(), { maxItems: MAX_OTHER_CLIENTS }))
})
type Request = Static<typeof Request>
const requestCheck = TypeCompiler.Compile(Request)
const idCheck = TypeCompiler.Compile(Id)
const isRequest = (value: unknown): value is Request => requestCheck.Check(value)
const isClientId = (value: unknown): value is ClientId => idCheck.Check(value)

/** A request of a client. */
export interface GinServerRequest {
  /** Name of an action, in any of the spellings of `actionNames`. */
  readonly actioncode: string
  readonly data: unknown
  /** Whether every other client gets the reply, too. */
  readonly isBroadcast: boolean
  /** Other clients that get the reply, too. */
  readonly clientIds: readonly ClientId[]
  /** Whether JavaScript numbers keep the value of every number in the request. */
  readonly isExact: boolean
}

/** A reply to a client. The order of the keys is the order on the wire. */
export interface Envelope {
  readonly code: number
  readonly msg: string
  readonly data: unknown
  readonly actioncode: string
}

/** ginServer's codes and texts. */
const TEXTS = {
  success: [0, '成功'],
  invalid: [1, '非法参数'],
  notFound: [3, '记录不存在'],
  failed: [4, '系统异常'],
  forbidden: [9, '权限不足']
} as const

/** ginServer's code and text for a code of the hub; every other code is `failed`. */
const TEXT_OF_ERROR: Record<string, typeof TEXTS[keyof typeof TEXTS]> = {
  HUB_REQUEST_INVALID: TEXTS.invalid,
  HUB_MESSAGE_TOO_LARGE: TEXTS.invalid,
  HUB_NOT_FOUND: TEXTS.notFound,
  HUB_FORBIDDEN: TEXTS.forbidden
}

/** An error code of the application that becomes the code of the envelope. */
const APPLICATION_CODE = /^\d{1,9}$/

/** Text that ginServer writes behind gorilla/websocket's response to an invalid handshake. */
export const AFTER_BAD_REQUEST = '{"code":51001,"msg":"invalid error code","data":""}'

/** The protocol of ginServer: JSON as Go encodes it, without a line feed; text and binary unchanged. */
export const ginServer = createCompatProtocol(
  'gin-server',
  ({ kind, data }) => kind === 'json' ? encodeFrame(OPCODE.text, escapeHtml(data)) : null
)

/** Parses a client message, from a text or a binary frame; null for a message that Go could not decode. */
export function parseRequest (text: string): GinServerRequest | null {
  const value: unknown = isTooDeep(text, 1) ? undefined : safeParse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const request: unknown = foldKeys(value, Object.keys(Request.properties))
  if (!isRequest(request)) return null
  return {
    actioncode: request.actioncode ?? '',
    data: request.data ?? {},
    isBroadcast: request.is_broadcast === true,
    clientIds: [...new Set(request.client_ids ?? [])].filter(isClientId),
    isExact: hasExactNumbers(text)
  }
}

/**
 * Names of actions that an action code can stand for, most likely first. Go made `HeartBeat` of `heart_beat`,
 * `heartBeat` and `heart beat`; an application may register its action in any of these spellings.
 */
export function actionNames (actioncode: string): string[] {
  // As Go's strings.Title: a letter becomes a capital behind any character but a letter, a digit or an underscore.
  const titled = actioncode.replaceAll('_', ' ')
    .replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase())
  const pascal = titled.replaceAll(' ', '')
  const camel = pascal.charAt(0).toLowerCase() + pascal.slice(1)
  return [actioncode, camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), camel, pascal]
}

/**
 * The reply to a request. An action without a return value replies `true`. An error of the application keeps its code
 * where the code is a number of at most nine digits.
 */
export function toEnvelope (actioncode: string, result: CommandResult): Envelope {
  const [success, msg] = TEXTS.success
  if (result.ok) return { code: success, msg, data: result.data ?? true, actioncode }
  const { error } = result
  if (APPLICATION_CODE.test(error.code)) return { code: Number(error.code), msg: error.message, data: '', actioncode }
  const [code, text] = TEXT_OF_ERROR[error.code] ?? TEXTS.failed
  return { code, msg: text, data: '', actioncode }
}

/** The reply to a refused request. */
export function refused (actioncode: string, code: 'HUB_FORBIDDEN' | 'HUB_REQUEST_INVALID'): Envelope {
  return toEnvelope(actioncode, { ok: false, error: { code, message: '' } })
}

/** Encodes a reply once for all its receivers. Data that JSON cannot represent becomes the reply `failed`. */
export function encodeEnvelope (envelope: Envelope): string {
  try {
    return escapeHtml(toJson(envelope))
  } catch {
    const [code, msg] = TEXTS.failed
    return encodeEnvelope({ ...envelope, code, msg, data: '' })
  }
}
