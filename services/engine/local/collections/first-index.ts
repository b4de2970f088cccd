/**
 * Binary search: the index of the first item for which `isBehind` holds; `items.length` without one. The items must be
 * sorted so that `isBehind` holds for every later item too.
 */
export function firstIndex<T> (items: ReadonlyArray<T | undefined>, isBehind: (item: T) => boolean, from = 0): number {
  let low = from
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = items[middle]
    if (item !== undefined && isBehind(item)) high = middle
    else low = middle + 1
  }
  return low
}
