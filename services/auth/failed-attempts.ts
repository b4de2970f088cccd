import { isIPv4, isIPv6 } from 'node:net'
import { BoundedMap } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { HubError } from '../model/errors.ts'
import type { Authenticate } from './token.ts'

/** Addresses that are remembered; beyond them the one without an attempt for longest is evicted. */
const MAX_ADDRESSES = 10_000
/** Groups of an IPv6 address that name the network of one subscriber (RFC 6177). */
const NETWORK_GROUPS = 4

/** Counts requests without a valid token by network address. Behind a proxy or a NAT, many clients share an address. */
export class FailedAttempts {
  readonly #perSecond: number
  readonly #clock: Clock
  readonly #rates = new BoundedMap<string, RateLimit>(MAX_ADDRESSES)

  /** @param perSecond Failed attempts of one address; 0 for no limit. */
  constructor (perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
  }

  /**
   * Counts the refusal of a request. Returns the error for the response: HUB_TOO_MANY_ATTEMPTS over the limit, else the
   * same error. Errors with another status than 401 do not count.
   */
  count (error: Error, address: string): Error {
    if (!(error instanceof HubError) || error.statusCode !== 401) return error
    const network = networkOf(address)
    const rate = this.#rates.get(network) ?? new RateLimit(this.#perSecond)
    // The map evicts the oldest entry: this one becomes the newest.
    this.#rates.delete(network)
    this.#rates.set(network, rate)
    return rate.allow(this.#clock.steady()) ? error : tooMany()
  }

  /**
   * Wraps a token check that may cost more than a response: an address over the limit is refused without a check. The
   * check of the hub needs no wrapper, so that requests without a valid token keep out no client of the same address.
   */
  spare<R extends { readonly ip: string }> (check: Authenticate<R>): Authenticate<R> {
    return (token, request) => {
      const rate = this.#rates.get(networkOf(request.ip))
      if (rate?.has(this.#clock.steady()) === false) throw tooMany()
      return check(token, request)
    }
  }
}

function tooMany (): HubError {
  const sentence = 'Too many requests without a valid token come from this address; try again in a second.'
  return new HubError('HUB_TOO_MANY_ATTEMPTS', sentence, { retryAfter: 1 })
}

/**
 * The network that an address belongs to: an IPv4 address itself, and the first 64 bits of an IPv6 address, because a
 * subscriber has at least that many addresses. All other texts, such as those of a forged header, are one network.
 */
export function networkOf (address = ''): string {
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? []
  const plain = mapped ?? address
  if (isIPv4(plain)) return plain
  if (!isIPv6(plain)) return ''
  const [head = '', tail] = plain.split('%', 1).join('').split('::')
  const [first, last] = [groupsOf(head), groupsOf(tail ?? '')]
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0')
  return [...first, ...zeros, ...last].slice(0, NETWORK_GROUPS).join(':')
}

/** The groups of a part of an IPv6 address, each without leading zeros. */
function groupsOf (part: string): string[] {
  return part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16).toString(16))
}
