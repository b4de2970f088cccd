import { actionButton } from './action.js'
import { make, setTitled } from './text.js'

// One group of a client, with a button to leave the group.
export class MembershipRow {
  element = make('li', 'group')
  #leave = actionButton('Leave', 'leave')

  constructor (group, { onLeave }) {
    const name = make('span', 'name')
    setTitled(name, group)
    this.#leave.ariaLabel = `Leave ${group}`
    this.#leave.addEventListener('click', () => onLeave(group))
    this.element.append(name, this.#leave)
  }

  update () {}

  focus () {
    this.#leave.focus()
  }
}
