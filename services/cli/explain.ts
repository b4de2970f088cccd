/** Remedies for errors of `listen`, by the code of the system. */
const REMEDIES: Record<string, string> = {
  EADDRINUSE: 'another program listens there. Choose another port with --port or server.port, or stop that program.',
  EACCES: 'this user may not use the port. Choose one of at least 1024 with --port or server.port.',
  EADDRNOTAVAIL: 'this machine does not have the address. Choose one that it has with --host or server.host, or 0.0.0.0 for all.',
  ENOTFOUND: 'there is no host of this name. Correct --host or server.host.',
  EAI_AGAIN: 'the name service does not respond. Write an address in --host or server.host, or try again later.'
}

/** An error of the system, such as one of `listen` or of the lookup of a host name. */
interface SystemError extends Error {
  readonly code: string
  readonly syscall: string
  readonly address?: string
  readonly hostname?: string
  readonly port?: number
}

/** The sentence for the user about an error: what failed, and the remedy. No stack. */
export function explain (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!isSystemError(error)) return error.message
  const { code, syscall, address, hostname = address ?? '', port } = error
  const remedy = REMEDIES[code]
  if (remedy === undefined || !['listen', 'bind', 'getaddrinfo'].includes(syscall)) return error.message
  const target = port === undefined ? hostname : `${hostname}:${port}`
  return `The service cannot listen on ${target} (${code}): ${remedy}`
}

function isSystemError (error: Error): error is SystemError {
  return 'code' in error && typeof error.code === 'string' && 'syscall' in error && typeof error.syscall === 'string'
}
