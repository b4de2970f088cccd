import { GroupRow } from './group-row.js'
import { KeyedList } from './keyed-list.js'
import { PagedList } from './paged-list.js'

// The groups that have members. `list` calls the API; onMembers receives the group to filter clients by, '' for no
// group.
export class GroupsView {
  #list = document.getElementById('groups')
  #empty = document.getElementById('groups-empty')
  #groups = []
  #selected = ''
  #rows
  #pages

  constructor ({ list, onMembers, onMessage }) {
    const onToggle = group => onMembers(group === this.#selected ? '' : group)
    this.#rows = new KeyedList(this.#list, {
      keyOf: ({ group }) => group,
      create: ({ group }) => new GroupRow(group, { onMembers: onToggle, onMessage }),
      fallbackFocus: document.getElementById('groups-refresh')
    })
    this.#pages = new PagedList('groups', {
      read: after => list({ after }).then(({ groups, next }) => ({ items: groups, next })),
      show: ({ items }) => this.#show(items),
      clear: () => this.#clear()
    })
  }

  // Starts again, with another token.
  restart () {
    this.#clear()
    return this.#pages.restart()
  }

  refresh () {
    return this.#pages.refresh()
  }

  // Marks the group whose members are shown; '' removes the mark.
  select (group) {
    this.#selected = group
    this.#draw()
  }

  #show (groups) {
    this.#groups = groups
    this.#draw()
    this.#empty.hidden = groups.length > 0
  }

  #clear () {
    this.#show([])
    this.#empty.hidden = true
  }

  #draw () {
    this.#list.hidden = this.#groups.length === 0
    this.#rows.show(this.#groups.map(group => ({ ...group, isSelected: group.group === this.#selected })))
  }
}
