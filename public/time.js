import { make } from './text.js'

const units = [['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]]

// Formats the time between two moments in its largest unit: "42 s", "3 min", "5 h". A moment in the future gives "0 s".
export function duration (fromMs, toMs = Date.now()) {
  const seconds = Math.max(0, Math.floor((toMs - fromMs) / 1_000))
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? ['s', 1]
  return `${Math.floor(seconds / size)} ${unit}`
}

// Formats a time of day in the user's time zone: 08:12:03.
export function clock (date) {
  return date.toTimeString().slice(0, 8)
}

// Formats a moment: 08:12:03 for today, otherwise with the day: "18 Nov 08:12:03".
export function moment (date, now = new Date()) {
  if (date.toDateString() === now.toDateString()) return clock(date)
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${clock(date)}`
}

// Returns the time of a message: its offset is a time in microseconds.
export function offsetDate (offset) {
  return new Date(Math.floor(offset / 1_000))
}

// Makes a time element; `text` replaces the formatted moment.
export function timeElement (date, text = moment(date)) {
  if (Number.isNaN(date.getTime())) return make('time', '', '–')
  const element = make('time', '', text)
  element.dateTime = date.toISOString()
  element.title = date.toLocaleString('en')
  return element
}
