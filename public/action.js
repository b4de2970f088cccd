import { make } from './text.js'

// A button in a row. `name` tells it from its neighbours.
export function action (text, name) {
  const button = make('button', 'small', text)
  button.type = 'button'
  button.dataset.action = name
  return button
}
