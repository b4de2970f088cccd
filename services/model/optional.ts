/**
 * A type whose optional properties may also be undefined. With `exactOptionalPropertyTypes`, the compiler would refuse
 * `{ key: request.headers['x-key'] }` otherwise.
 */
export type WithUndefined<T> = { [K in keyof T]: Partial<Pick<T, K>> extends Pick<T, K> ? T[K] | undefined : T[K] }
