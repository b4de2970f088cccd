import { make } from './text.js'

const units = [['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]]

// How long ago something was, in its largest unit: "42 s", "3 min", "5 h". A clock that is a little off gives "0 s".
export function duration (fromMs, toMs = Date.now()) {
  const seconds = Math.max(0, Math.floor((toMs - fromMs) / 1_000))
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? ['s', 1]
  return `${Math.floor(seconds / size)} ${unit}`
}

// 08:12:03, in the reader's time zone
export function clock (date) {
  return date.toTimeString().slice(0, 8)
}

// 08:12:03 when it was today, otherwise with its day: "18 Nov 08:12:03".
export function moment (date, now = new Date()) {
  if (date.toDateString() === now.toDateString()) return clock(date)
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${clock(date)}`
}

// An offset is the time of its message in microseconds.
export function offsetDate (offset) {
  return new Date(Math.floor(offset / 1_000))
}

// A moment as an element; `text` may say it in other words.
export function timeElement (date, text = moment(date)) {
  if (Number.isNaN(date.getTime())) return make('time', '', '–')
  const element = make('time', '', text)
  element.dateTime = date.toISOString()
  element.title = date.toLocaleString('en')
  return element
}
