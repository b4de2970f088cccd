import { actionButton } from './action.js'
import { make, setText, setTitled } from './text.js'

// One group in the list. Updates change the row in place, so that the focus survives a refresh.
export class GroupRow {
  element = make('li', 'group')
  #members = actionButton('', 'members')
  #count = make('span', 'total')
  #message = actionButton('Message', 'message')

  constructor (group, { onMembers, onMessage }) {
    setTitled(this.#members, group)
    this.#members.ariaLabel = `Members of ${group}`
    this.#message.ariaLabel = `Message the group ${group}`
    this.#members.addEventListener('click', () => onMembers(group))
    this.#message.addEventListener('click', () => onMessage(group))
    this.element.append(this.#members, this.#count, this.#message)
  }

  update ({ clients, isSelected }) {
    const count = clients.toLocaleString('en')
    setText(this.#count, count)
    this.#count.title = clients === 1 ? '1 member' : `${count} members`
    this.#members.ariaPressed = String(isSelected)
  }

  // Focuses the button with the same action as a removed button.
  focus (name) {
    const button = name === 'message' ? this.#message : this.#members
    button.focus()
  }
}
