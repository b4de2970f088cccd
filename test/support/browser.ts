import { existsSync } from 'node:fs'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'
import type { ConfigInput } from '../../services/config/input.ts'
import type { TokenClaims } from '../../services/auth/token.ts'
import { listen, token } from './helper.ts'
import { PROGRAMS_MS, until } from './until.ts'

/** The headless shell needs a third less of the processor. */
const PATHS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/google-chrome']
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const MISSING = 'There is no Chromium here: apt-get install chromium-headless-shell (Debian), or set CHROMIUM_PATH.'

/** Claims of a token with access to all of the console. */
export const ADMIN = { roles: ['admin'] }
/** The users in the console's list of clients. */
export const USERS = '#clients-rows .client-user'

/** A name that executes a script if a page inserts it as markup. */
export const MARKUP = '<img src=x onerror=alert(1)>'

/** Options of a page, in addition to the options of Playwright for a fresh profile. */
export interface PageOptions extends BrowserContextOptions {
  /** Lets the test advance the timers of the page: `page.clock.runFor(ms)`. Time also passes by itself. */
  readonly clock?: boolean
  /** Uses the shared page of the file in place of a fresh profile. Excludes `clock` and options of the profile. */
  readonly isShared?: boolean
}

/** A page in a browser, with its problems and requests, recorded from before it is loaded. */
export interface OpenPage {
  readonly page: Page
  /** Errors of the page, warnings and errors of its console (with violations of the CSP), and dialogs. */
  readonly problems: string[]
  /** The address of every request and WebSocket, in order. */
  readonly requests: readonly string[]
  /** Waits until the visible elements of a selector have these texts, one text or pattern for each; fails otherwise. */
  readonly shows: (selector: string, ...expected: Expected[]) => Promise<void>
}

/** A page with the console of a service. Each test has its own service. */
export interface Console extends Awaited<ReturnType<typeof listen>>, OpenPage {
  /** Refreshes the list of clients and asserts the user of each client. */
  readonly lists: (...users: Expected[]) => Promise<void>
  /** Publishes a message to the address that the form has. */
  readonly push: (message: string) => Promise<void>
}

/** Options of a test of the console. */
export interface ConsoleOptions extends PageOptions {
  /** Claims of the token of the page, by default of an administrator; null opens the page without a token. */
  readonly claims?: Partial<TokenClaims> | null
  /** Configuration of the service. */
  readonly config?: ConfigInput
  /** Problems that the page may have. */
  readonly complaints?: RegExp
}

type Expected = string | RegExp

/** The reason to skip tests in a browser, with the remedy. False with a browser, and in CI, where the tests fail. */
export function browserMissing (): string | false {
  return process.env.CI === 'true' || browserPath() !== undefined ? false : MISSING
}

/** Starts Chromium with an empty profile. */
export async function launchBrowser (): Promise<Browser> {
  const executablePath = browserPath()
  if (executablePath === undefined) throw new Error(MISSING)
  return chromium.launch({ executablePath, args: ARGS })
}

/**
 * Opens an address in a fresh profile, and closes the profile when the test ends. With `isShared`, opens the address in
 * the shared page of the file, because a new page costs a process of the browser. Between two tests the page is blank.
 */
export async function openPage (t: Test, url: string, { clock = false, isShared = false, ...options }: PageOptions = {}): Promise<OpenPage> {
  shared ??= share(t)
  const { browser, page: common } = await shared
  const page = isShared ? common : await newPage(browser, options)
  t.teardown(() => page === common ? blank(page) : page.context().close())
  if (clock) await page.clock.install()
  const opened = { page, problems: problemsOf(page), requests: requestsOf(page), shows: assertion(t, page) }
  await page.goto(url)
  return opened
}

/** Tests the console in a browser. A problem of the page that `complaints` does not match fails the test. */
export function inBrowser (t: Test, title: string, { claims = ADMIN, config, complaints, isShared, ...options }: ConsoleOptions, body: (t: Test, console: Console) => Promise<void>): void {
  void t.test(title, { skip: browserMissing() }, async (t) => {
    const service = await listen(t, config)
    // The shared page may keep a spare connection without a request. `close()` waits a minute for such a connection.
    t.teardown(() => service.app.server.closeAllConnections())
    const pageOptions = { ...options, isShared: isShared ?? Object.keys(options).length === 0 }
    const opened = await openPage(t, `${service.origin}/${claims === null ? '' : `#token=${token(claims)}`}`, pageOptions)
    const { page, problems, shows } = opened
    if (claims !== null) await page.waitForSelector('[data-state=connected], [data-state=refused]')
    const push = async (message: string) => {
      await page.fill('#broadcast-message', message)
      await page.click('#broadcast-button')
    }
    const lists = async (...users: Expected[]) => {
      await until(() => service.app.hub.size === users.length)
      await page.click('#clients-refresh')
      await shows(USERS, ...users)
    }
    await body(t, { ...service, ...opened, push, lists })
    t.same(problems.filter((problem) => complaints?.test(problem) !== true), [], 'no error, violation of the CSP or dialog')
  })
}

let shared: Promise<{ browser: Browser, page: Page }> | undefined

async function share (t: Test): Promise<{ browser: Browser, page: Page }> {
  const browser = await launchBrowser()
  rootOf(t).teardown(() => browser.close())
  return { browser, page: await newPage(browser) }
}

async function newPage (browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(PROGRAMS_MS)
  return context.newPage()
}

/** Empties the shared page. Storage needs no cleaning: the service of each test has another origin. */
async function blank (page: Page): Promise<void> {
  await page.unrouteAll()
  await page.goto('about:blank')
  page.removeAllListeners()
  await page.context().clearCookies()
}

function rootOf (t: Test): Test {
  return t.parent === undefined ? t : rootOf(t.parent as Test)
}

function browserPath (): string | undefined {
  const { CHROMIUM_PATH } = process.env
  return (CHROMIUM_PATH === undefined ? PATHS : [CHROMIUM_PATH]).find((path) => existsSync(path))
}

function problemsOf (page: Page): string[] {
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(`page error: ${error.message}`))
  page.on('console', (line) => {
    if (['error', 'warning'].includes(line.type())) problems.push(`console: ${line.text()}`)
  })
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  return problems
}

function requestsOf (page: Page): string[] {
  const requests: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('websocket', (socket) => requests.push(socket.url()))
  return requests
}

function assertion (t: Test, page: Page): OpenPage['shows'] {
  return async (selector, ...expected) => {
    let found: string[] = []
    const fits = async () => {
      found = await page.locator(selector).filter({ visible: true }).allTextContents()
      return found.length === expected.length && expected.every((one, at) => fitsText(one, found[at] ?? ''))
    }
    const shown = await until(fits, selector, PROGRAMS_MS).then(() => true, () => false)
    t.ok(shown, `${selector} shows ${expected.join(' | ') || 'nothing'}`, { found })
  }
}

function fitsText (expected: Expected, text: string): boolean {
  return typeof expected === 'string' ? expected === text : expected.test(text)
}
