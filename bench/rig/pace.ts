import { setTimeout as sleep } from 'node:timers/promises'

/** Does something so often at this pace, however long each time takes. */
export async function pace (times: number, everyMs: number, act: () => void): Promise<void> {
  const start = performance.now()
  for (let i = 0; i < times; i++) {
    await sleep(Math.max(0, start + i * everyMs - performance.now()))
    act()
  }
}
