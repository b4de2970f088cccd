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
