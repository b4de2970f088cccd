import { action } from './action.js'
import { make, setText, setTitled } from './text.js'

// One group in the list. It is updated in place, so that the focus survives a refresh.
export class GroupRow {
  element = make('li', 'group')
  #members = action('', 'members')
  #count = make('span', 'total')
  #message = action('Message', 'message')

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

  // Puts the focus on the button that does the same as the one that is gone.
  focus (name) {
    const button = name === 'message' ? this.#message : this.#members
    button.focus()
  }
}
