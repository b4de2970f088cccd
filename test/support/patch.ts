import type { Test } from 'tap'

/**
 * Replaces a method of a class, also for existing instances. `replace` makes the method from the original one. Returns a
 * function that restores the original method; the end of the test restores it, too.
 */
export function patch<T extends object, K extends keyof T> (
  t: Test, { prototype }: { readonly prototype: T }, name: K, replace: (original: T[K]) => T[K]
): () => void {
  const original = prototype[name]
  const restore = (): void => { prototype[name] = original }
  prototype[name] = replace(original)
  t.teardown(restore)
  return restore
}
