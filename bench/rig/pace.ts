import { setTimeout as sleep } from 'node:timers/promises'

/** Runs a task repeatedly at a fixed pace, independent of the duration of the task. */
export async function pace (times: number, everyMs: number, act: () => void): Promise<void> {
  const start = performance.now()
  for (let i = 0; i < times; i++) {
    await sleep(Math.max(0, start + i * everyMs - performance.now()))
    act()
  }
}
