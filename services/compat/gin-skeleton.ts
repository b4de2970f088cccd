import { HubError } from '../model/errors.ts'
import { demoIdentity, isTokenExpired, type Authenticate } from '../auth/token.ts'
import { badRequest, isHandshakeError, type HttpResponse } from './http-response.ts'

/** What GinSkeleton said to a client that it did not let in: with JSON until August 2022, with nothing since then. */
export type RefusalStyle = 'legacy-400-json' | 'empty-200'

/** Characters that a token needs. */
const MIN_TOKEN_CHARACTERS = 10

/** Lets in whom a token check lets in, and as a user without roles whoever else has a token that is long enough. */
export function withLongTokens<Request> (authenticate: Authenticate<Request>): Authenticate<Request> {
  return async (token, request) => {
    const isLong = token !== null && tokenFault(token) === null
    try {
      const identity = await authenticate(token, request)
      // Code in JavaScript says no in more ways than null.
      if (identity || !isLong) return identity
    } catch (error) {
      // Who had a token of ours needs a new one, and a check that is broken lets nobody in.
      if (!isLong || isTokenExpired(error) || !(error instanceof HubError && error.code === 'HUB_TOKEN_INVALID')) throw error
    }
    return demoIdentity(token)
  }
}

/** What gophrame put before what it sent back; GinSkeleton's ends in `==>`. */
export const GOPHRAME_ECHO = '服务器已经收到了你的消息：'

/** Headers of a refusal, and of nothing else. */
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
 * What GinSkeleton answers where the hub refuses a client for this reason: it checked whether it was switched on, then
 * the token, then the handshake. Null for reasons that it did not have.
 */
export function refusalOf ({ code, message }: HubError, token: string | null, style: RefusalStyle): HttpResponse | null {
  const isLegacy = style === 'legacy-400-json'
  const refused = (body: string): HttpResponse => isLegacy
    ? { status: 400, headers: { 'content-type': 'application/json; charset=utf-8' }, body }
    : { status: 200, headers: {}, body: '' }
  if (code === 'HUB_WEBSOCKET_OFF') return refused(OFF)
  const fault = tokenFault(token)
  const isHandshake = isHandshakeError(code)
  if (isHandshake && fault === null) return badRequest(isLegacy ? NOT_OPENED : '')
  if (isHandshake || code.startsWith('HUB_TOKEN_')) return refused(JSON.stringify({ code: -400300, data: { err: fault ?? message, tips: TIPS }, msg: '参数校验失败' }))
  return null
}

function tokenFault (token: string | null): string | null {
  if (token !== null && [...token].length >= MIN_TOKEN_CHARACTERS) return null
  return `Key: 'Connect.Token' Error:Field validation for 'Token' failed on the '${token === null ? 'required' : 'min'}' tag`
}
