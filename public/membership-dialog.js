import { KeyedList } from './keyed-list.js'
import { MembershipRow } from './membership-row.js'
import { NameField } from './name-field.js'
import { setText } from './text.js'

// The groups of one client, to join and to leave. `read` resolves with the current client; onChange is called after
// each change.
export class MembershipDialog {
  #dialog = document.getElementById('membership')
  #title = document.getElementById('membership-title')
  #client = document.getElementById('membership-client')
  #input = document.getElementById('membership-group')
  #group = new NameField(this.#input)
  #list = document.getElementById('membership-groups')
  #empty = document.getElementById('membership-empty')
  #status = document.getElementById('membership-status')
  #error = document.getElementById('membership-error')
  #clientId = ''
  #rows
  #read
  #onChange

  constructor ({ read, join, leave, onChange }) {
    this.#read = read
    this.#onChange = onChange
    this.#rows = new KeyedList(this.#list, {
      keyOf: group => group,
      create: group => new MembershipRow(group, { onLeave: group => this.#change(leave, group, `Left “${group}”.`) }),
      fallbackFocus: this.#input
    })
    document.getElementById('membership-form').addEventListener('submit', event => {
      event.preventDefault()
      return this.#join(join)
    })
    document.getElementById('membership-close').addEventListener('click', () => this.#dialog.close())
  }

  open (client) {
    this.#clientId = client.id
    this.#group.value = ''
    this.#showOutcome('', '')
    setText(this.#title, `Groups of ${client.user}`)
    setText(this.#client, `Client ${client.id}`)
    this.#show(client)
    this.#dialog.showModal()
    // A list of clients has only some of the groups.
    if (client.groups.length === client.groupCount) return
    this.#refresh(client.id).catch(err => this.#showOutcome('', err.explanation ?? err.message))
  }

  async #join (join) {
    const group = this.#group.value
    if (!group) {
      this.#showOutcome('', 'Enter the group first.')
      return this.#input.focus()
    }
    if (await this.#change(join, group, `Joined “${group}”.`)) this.#group.value = ''
  }

  // Joins or leaves a group. Returns whether the request succeeded and the dialog still shows the same client.
  async #change (verb, group, outcome) {
    const clientId = this.#clientId
    const isCurrent = () => clientId === this.#clientId
    this.#showOutcome('', '')
    try {
      await verb(clientId, group)
      if (!await this.#refresh(clientId)) return false
      this.#showOutcome(outcome, '')
      return true
    } catch (err) {
      if (isCurrent()) this.#showOutcome('', err.explanation ?? err.message)
      return false
    } finally {
      this.#onChange()
    }
  }

  // Shows all groups of the client. Returns whether the dialog still shows the same client.
  async #refresh (clientId) {
    const client = await this.#read(clientId)
    if (clientId !== this.#clientId) return false
    this.#show(client)
    return true
  }

  #show ({ groups }) {
    this.#rows.show(groups.toSorted())
    this.#list.hidden = groups.length === 0
    this.#empty.hidden = groups.length > 0
  }

  #showOutcome (status, error) {
    setText(this.#status, status)
    setText(this.#error, error)
  }
}
