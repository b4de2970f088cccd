/** What a person needs to know who has just started the service. */
export interface BannerFacts {
  readonly version: string
  /** Where the service listens, for example `http://127.0.0.1:20201`. */
  readonly origin: string
  readonly path: string
  readonly api: boolean
  readonly console: boolean
  /** A token with the role admin; null where it would end up in a log. */
  readonly adminToken: string | null
  /** Whether the secret was made for this run only. */
  readonly isSecretRandom: boolean
  readonly isDemo: boolean
}

/** The lines printed at the start: where to connect, with what, and one command that can be pasted. */
export function banner (facts: BannerFacts): string {
  const { version, origin, path, adminToken } = facts
  const fragment = adminToken === null ? '' : `#token=${adminToken}&path=${encodeURIComponent(path)}`
  const lines = ['', `  fastify-hub ${version}`, '', `  WebSocket  ${origin.replace(/^http/, 'ws')}${path}?token=…`]
  if (facts.console) lines.push(`  Console    ${origin}/${fragment}`)
  if (facts.api) {
    lines.push('', '  Say hello to everyone:')
    lines.push(`  curl -X POST ${origin}/broadcast -H 'content-type: application/json' -H 'authorization: Bearer ${adminToken ?? '…'}' -d '{"message":"hello"}'`)
  }
  lines.push('', adminToken === null
    ? '  Make a token with the configured secret: fastify-hub token --user operator --role admin'
    : `  The token above is valid for ${ADMIN_TOKEN_HOURS} hours and has the role admin.`)
  if (facts.isSecretRandom) lines.push('  No auth.secret is configured: one was made at random for this run, and its tokens end with it.')
  if (facts.isDemo) lines.push('  auth.mode is demo: any token of at least 20 characters may connect. Not for production.')
  return `${lines.join('\n')}\n\n`
}

/** How long the token of the start-up lines is valid. */
export const ADMIN_TOKEN_HOURS = 12
