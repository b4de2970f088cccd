/**
 * Tests for a value with a `then` method: a promise, or a lazy query builder that is no instance of Promise. A caller
 * passes such a value to `Promise.resolve` once, because each call of `then` may run a query again.
 */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
