/** The facts that the banner shows. */
export interface BannerFacts {
  readonly version: string
  /** Origin of the service, for example `http://127.0.0.1:20201`. */
  readonly origin: string
  /** Path of the WebSocket endpoint. */
  readonly path: string
  /** Whether the REST API is served. */
  readonly api: boolean
  /** Whether the console is served. */
  readonly console: boolean
  /** A token with the role admin; null when the banner is not shown on a terminal. */
  readonly adminToken: string | null
  /** Whether the secret is random and for this run only. */
  readonly isSecretRandom: boolean
  readonly isDemo: boolean
}

/**
 * Returns the text printed at the start of the service: its addresses, a token, and a command to paste into a shell.
 */
export function banner (facts: BannerFacts): string {
  const { version, origin, path, adminToken } = facts
  const fragment = adminToken === null ? '' : `#token=${adminToken}&path=${encodeURIComponent(path)}`
  const lines = ['', `  fastify-hub ${version}`, '', `  WebSocket  ${origin.replace(/^http/, 'ws')}${path}?token=…`]
  if (facts.console) lines.push(`  Console    ${origin}/${fragment}`)
  if (facts.api) {
    const headers = `-H 'content-type: application/json' -H 'authorization: Bearer ${adminToken ?? '…'}'`
    lines.push('', '  Publish a message to everyone:')
    lines.push(`  curl -X POST ${origin}/broadcast ${headers} -d '{"message":"hello"}'`)
  }
  lines.push('')
  if (adminToken !== null) lines.push(`  The token above is valid for ${ADMIN_TOKEN_HOURS} hours and has the role admin.`)
  if (facts.isSecretRandom) {
    lines.push('  No auth.secret is configured: one was made at random for this run, and its tokens end with it.')
  }
  if (adminToken === null) {
    const command = 'fastify-hub token --user operator --role admin'
    lines.push(facts.isSecretRandom
      ? `  A token is shown on a terminal only. Set HUB_AUTH_SECRET, start again, and make one: ${command}`
      : `  Make a token with the configured secret: ${command}`)
  }
  if (facts.isDemo) {
    lines.push('  auth.mode is demo: any token of at least 20 characters may connect. Not for production.')
  }
  return `${lines.join('\n')}\n\n`
}

/** Validity of the token in the banner, in hours. */
export const ADMIN_TOKEN_HOURS = 12
