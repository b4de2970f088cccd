import t from 'tap'
import { CLOSE } from '../../services/model/close-codes.ts'
import type { Receipt } from '../../services/model/message.ts'
import { packagePath } from '../../services/cli/package.ts'
import { listen } from '../support/helper.ts'
import { rawRequest } from '../support/raw-client.ts'

t.test('the console is served with a policy that allows only its own scripts', async (t) => {
  const { origin } = await listen(t)
  for (const [path, type] of Object.entries({ '/': 'text/html', '/console.js': 'application/javascript', '/console.css': 'text/css', '/favicon.svg': 'image/svg+xml' })) {
    const { status, headers } = await fetch(origin + path)
    t.match({ status, type: headers.get('content-type'), options: headers.get('x-content-type-options') }, { status: 200, type, options: /^nosniff$/ }, path)
    t.match(headers.get('content-security-policy'), /^default-src 'none'; script-src 'self';(?!.*(unsafe|\*|data:|http)).* frame-ancestors 'none'$/)
  }
})

t.test('only the files of public/ are served', async (t) => {
  const { port } = await listen(t)
  for (const path of [
    '/../package.json', '/..%2fpackage.json', '/..%5cpackage.json', '/%2e%2e/package.json', '/%252e%252e/package.json', '/package.json', '//etc/passwd', '/%2fetc/passwd',
    '/..//..//..//etc/passwd', '/.git/config', '/%2egit/config', '/.gitignore', '/public/', '/console.js/', '/console.js%00.html'
  ]) t.match(await rawRequest(port, `GET ${path} HTTP/1.1\r\nHost: hub\r\n\r\n`), /^HTTP\/1\.1 404 [^]*"code":"HUB_NOT_FOUND"/, path)
})

t.test('the console explains each close code of the service, and reconnects after the codes that allow a retry', async (t) => {
  const { explainClose } = await import(packagePath('public/close-codes.js')) as { explainClose: (code: number, reason: string) => Record<'detail' | 'retry' | 'needsToken', unknown> }
  for (const { code, reason, mayRetry } of Object.values(CLOSE)) {
    const { detail, ...advice } = explainClose(code, reason)
    // These reasons are sent to clients of a reliable subprotocol only. The console uses raw.
    if (code === 1008 && mayRetry) continue
    t.notMatch(detail, 'The server closed the connection.', `${code} has a specific text`)
    // The page needs a new token, because the service refuses this one.
    t.same(advice, code === CLOSE.tokenExpired.code || code === CLOSE.forbidden.code ? { retry: false, needsToken: true } : { retry: mayRetry, needsToken: false }, `${code} ${reason}`)
  }
})

t.test('the console formats receipts as text', async (t) => {
  const { receiptText } = await import(packagePath('public/receipt.js')) as { receiptText: (receipt: Receipt) => string }
  const receipt: Receipt = { offset: 17, duplicate: false, stored: true, matched: 1002, written: 1000, behind: 1, dropped: 1 }
  t.equal(receiptText(receipt), 'Offset 17, stored: reached 1,000 of 1,002, 1 behind, 1 dropped.')
  t.equal(receiptText({ ...receipt, stored: false, matched: 0 }), 'Offset 17, not stored: no recipient is connected.')
  t.equal(receiptText({ ...receipt, duplicate: true, matched: 2, written: 2, behind: 0, dropped: 0 }), 'Offset 17, stored: a duplicate, nothing was sent. The first time: reached 2 of 2.')
})
