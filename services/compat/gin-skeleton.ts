import { demoIdentity, isTokenExpired, type Authenticate } from '../auth/token.ts'
import { HubError } from '../model/errors.ts'
import { badRequest, isHandshakeError, type HttpResponse } from './gorilla.ts'

/**
 * Form of GinSkeleton's refusals: JSON with status 400 until August 2022, an empty response with status 200 since then.
 */
export type RefusalStyle = 'legacy-400-json' | 'empty-200'

/** Shortest token that GinSkeleton accepts, in characters. */
const MIN_TOKEN_CHARACTERS = 10

/**
 * Extends a token check: a token of at least 10 characters that the check does not accept stands for a user without
 * roles. An expired token of the hub stays refused, because its client must get a new one. So does every client while
 * the check itself fails.
 */
export function withLongTokens<Request> (authenticate: Authenticate<Request>): Authenticate<Request> {
  return async (token, request) => {
    const isLong = token !== null && tokenFault(token) === null
    try {
      const identity = await authenticate(token, request)
      // A check in JavaScript can also return undefined or false.
      if (identity || !isLong) return identity
    } catch (error) {
      const isInvalid = error instanceof HubError && error.code === 'HUB_TOKEN_INVALID'
      if (!isLong || isTokenExpired(error) || !isInvalid) throw error
    }
    return demoIdentity(token)
  }
}

/** Prefix of gophrame's echo. GinSkeleton's echo has a prefix that ends in `==>`. */
export const GOPHRAME_ECHO = '服务器已经收到了你的消息：'

/** CORS headers of GinSkeleton's refusals; other responses have no CORS headers. */
export const CORS_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'Access-Control-Allow-Headers,Authorization,User-Agent, Keep-Alive, Content-Type, X-Requested-With,X-CSRF-Token,AccessToken,Token',
  'access-control-allow-methods': 'GET, POST, DELETE, PUT, PATCH, OPTIONS',
  'access-control-expose-headers': 'Content-Length, Access-Control-Allow-Origin, Access-Control-Allow-Headers, Content-Type',
  'access-control-allow-credentials': 'true'
}

const OFF = '{"code":-400300,"data":"","msg":"websocket 服务没有开启，请在配置文件开启，相关路径：config/config.yml"}'
const NOT_OPENED = '{"code":-400301,"data":"","msg":"websocket open阶段初始化基本参数失败"}'
const TIPS = '请在get参数中提交token信息,demo格式：ws://127.0.0.1:2020?token=this is a series token...'

/**
 * GinSkeleton's response for an error of the hub; null for an error that GinSkeleton did not have. GinSkeleton checked
 * first whether WebSocket is on, then the token, then the handshake.
 */
export function refusalOf (
  { code, message }: HubError,
  token: string | null,
  style: RefusalStyle
): HttpResponse | null {
  const isLegacy = style === 'legacy-400-json'
  const refused = (body: string): HttpResponse => isLegacy
    ? { status: 400, headers: { 'content-type': 'application/json; charset=utf-8' }, body }
    : { status: 200, headers: {}, body: '' }

  if (code === 'HUB_WEBSOCKET_OFF') return refused(OFF)
  const fault = tokenFault(token)
  const isHandshake = isHandshakeError(code)
  if (isHandshake && fault === null) return badRequest(isLegacy ? NOT_OPENED : '')
  if (!isHandshake && !code.startsWith('HUB_TOKEN_')) return null
  return refused(JSON.stringify({ code: -400300, data: { err: fault ?? message, tips: TIPS }, msg: '参数校验失败' }))
}

/** GinSkeleton's validation error for a token, in the text of Go's validator; null for a valid token. */
function tokenFault (token: string | null): string | null {
  if (token !== null && [...token].length >= MIN_TOKEN_CHARACTERS) return null
  const tag = token === null ? 'required' : 'min'
  return `Key: 'Connect.Token' Error:Field validation for 'Token' failed on the '${tag}' tag`
}
