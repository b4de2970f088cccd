import { Api } from './api.js'
import { ClientsView } from './clients-view.js'
import { ConfirmDialog } from './confirm-dialog.js'
import { Connection } from './connection.js'
import { frameText } from './frame-text.js'
import { GroupsView } from './groups-view.js'
import { InboxView } from './inbox-view.js'
import { isToken, socketUrl, takeLink } from './link.js'
import { LogView } from './log-view.js'
import { MembershipDialog } from './membership-dialog.js'
import { MessageForm } from './message-form.js'
import { MessageStatusView } from './message-status-view.js'
import { PublishForm } from './publish-form.js'
import { StateView } from './state-view.js'
import { TokenForm } from './token-form.js'

// The console: creates the parts of the page and connects them. The token is in memory only; a reload asks for the
// token again.
const link = takeLink()
let token = ''

const api = new Api(new URL('.', location.href), () => token)
const log = new LogView()
const stateView = new StateView({ onRetry: () => connection.retry() })
const tokenForm = new TokenForm({ onToken: start, onToggle: toggle })
const messageForm = new MessageForm({ send })
const publishForm = new PublishForm({
  publish: (target, message) => api.publish(target, message),
  onMessageStatus: offset => messageStatusView.lookUp(offset)
})
const dialog = new ConfirmDialog()
const membership = new MembershipDialog({
  read: id => api.client(id),
  join: (id, group) => api.join(id, group),
  leave: (id, group) => api.leave(id, group),
  onChange: () => {
    groupsView.refresh()
    clientsView.refresh()
  }
})
const groupsView = new GroupsView({
  list: query => api.groups(query),
  onMembers: group => clientsView.showGroup(group),
  onMessage: group => publishForm.address('group', group)
})
const messageStatusView = new MessageStatusView({ read: offset => api.messageStatus(offset) })
const inboxView = new InboxView({
  read: user => api.inbox(user),
  purge: user => api.purge(user),
  confirm: question => dialog.ask(question),
  onMessage: offset => messageStatusView.lookUp(offset)
})
const clientsView = new ClientsView({
  list: query => api.clients(query),
  disconnect: id => api.disconnect(id),
  confirm: question => dialog.ask(question),
  onMessage: client => publishForm.address('client', client.id),
  onGroups: client => membership.open(client),
  onGroup: group => groupsView.select(group)
})
const connection = new Connection({
  url: socketUrl(link.path),
  probe: () => api.probe(),
  onState: showState,
  onFrame: data => log.add('received', frameText(data))
})

// Opening a console link in a tab with the console only changes the fragment of its address.
addEventListener('hashchange', () => {
  const { token } = takeLink()
  if (isToken(token)) start(token)
})
addEventListener('online', () => connection.retry())

if (isToken(link.token)) start(link.token)
else welcome(link.token ? 'The token in this link is not a token.' : '')

function start (newToken) {
  token = newToken
  document.body.dataset.token = 'present'
  document.getElementById('main').hidden = false
  connection.open(token)
  groupsView.restart()
  clientsView.restart()
  inboxView.clear()
  messageStatusView.clear()
}

function welcome (detail) {
  document.body.dataset.token = 'absent'
  showState({ name: 'idle', detail })
  tokenForm.ask()
}

function toggle (isActive) {
  if (isActive) return connection.close()
  if (!token) return tokenForm.ask()
  connection.open(token)
}

function send (text) {
  const sent = connection.send(text)
  if (sent) log.add('sent', frameText(text))
  return sent
}

function showState (state) {
  stateView.show(state)
  tokenForm.show(state, token !== '')
  messageForm.show(state)
  if (state.name === 'connected') {
    log.add('note', 'Connected.')
    // The lists do not have this connection yet.
    clientsView.refresh()
    groupsView.refresh()
  }
  if (state.name === 'waiting' || state.name === 'closed') log.add('note', state.detail)
  if (state.name === 'refused') log.add('note', `Token refused: ${state.detail}`)
}
