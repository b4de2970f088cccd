// Sets the text of an element only when the text differs, so that a selection survives and a live region is not
// repeated.
export function setText (element, text) {
  if (element.textContent !== text) element.textContent = text
}

// Makes an element. All data from the server enters the page through this function, as text and never as markup.
export function make (tag, className, text = '') {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text) element.textContent = text
  return element
}

// Sets a text that may be cut on the screen, with the full text as tooltip.
export function setTitled (element, text) {
  setText(element, text)
  element.title = text
}
