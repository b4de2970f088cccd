const SHORTEST_BYTES = 128
const NUMBER_LENGTH = 16
const WORDS = ['order', 'filled', 'market', 'limit', 'sell', 'buy', 'partial', 'cancelled', 'amsterdam', 'tokyo', 'new york', 'london']

/** Returns a text of this length; 128 bytes by default, just above the limit of the short form of a frame's length. */
export function plainText (bytes = SHORTEST_BYTES): string {
  return 'x'.repeat(bytes)
}

/** Returns the default text with a number in place of its first characters. */
export function numbered (number: number): string {
  return String(number).padStart(NUMBER_LENGTH, '0') + plainText().slice(NUMBER_LENGTH)
}

/** Returns the number at the start of a numbered text. */
export function readNumber (text: string): number {
  return Number(text.slice(0, NUMBER_LENGTH))
}

/** Returns JSON of about this size, as applications send it: a list of records with numbers, words and times. */
export function jsonText (bytes: number): string {
  const records: object[] = []
  while (JSON.stringify(records).length < bytes) records.push(record(records.length))
  return JSON.stringify(records)
}

// Synthetic, and equal in every run.
function record (number: number): object {
  const random = (below: number): number => (number * 7919 + below * 104_729 + number ** 3 * 31) % below
  const word = (salt: number): string => WORDS[random(WORDS.length + salt) % WORDS.length] ?? ''
  return {
    id: `a${(number * 48_271 + 1_000_003).toString(36)}`,
    side: word(0),
    status: word(7),
    venue: word(19),
    price: random(99_991) / 100,
    quantity: random(4999),
    at: new Date(1_790_000_000_000 + number * 1733).toISOString()
  }
}
