import type { Test } from 'tap'

/**
 * Creates the folder of a test. It is removed behind the teardowns of the test: tap alone removes a folder first when
 * the folder is older than the first teardown, and whatever writes to the folder until its own teardown fails the test.
 */
export function testFolder (t: Test, content: Parameters<Test['testdir']>[0] = {}): string {
  t.teardown(() => {})
  return t.testdir(content)
}
