// Writes text only where it differs: a selection survives, and a live region does not repeat itself.
export function setText (element, text) {
  if (element.textContent !== text) element.textContent = text
}

// Everything that comes from outside reaches the page through here: as text, never as markup.
export function make (tag, className, text = '') {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text) element.textContent = text
  return element
}

// Text that may be cut on the screen: pointing at it shows all of it.
export function setTitled (element, text) {
  setText(element, text)
  element.title = text
}
