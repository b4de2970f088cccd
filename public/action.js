import { make } from './text.js'

// Makes a button of a row. `name` identifies the button within the row.
export function actionButton (text, name) {
  const button = make('button', 'small', text)
  button.type = 'button'
  button.dataset.action = name
  return button
}
