import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { platform } from 'node:process'

const TICKS_PER_SECOND = platform === 'linux' ? Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) : 1

/** Returns the CPU time in milliseconds of all threads of a process, as counted by the operating system. */
export function cpuMs (pid: number): number {
  return platform === 'linux' ? fromProc(pid) : fromPs(pid)
}

/** Returns the busy time in milliseconds of all cores together, counted from a fixed moment in the past. */
export function busyMs (): number {
  // Elapsed minus idle time: libuv leaves out the kernel's time for the network (softirq), which is half of the busy
  // time here.
  return cpus().reduce((total, { times }) => total + performance.now() - times.idle, 0)
}

// proc_pid_stat(5): the name in field 2 may contain spaces, so count from its closing parenthesis; utime is field 14,
// stime 15.
function fromProc (pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 1000 / TICKS_PER_SECOND
}

// [[days-]hours:]minutes:seconds
function fromPs (pid: number): number {
  const time = execFileSync('ps', ['-o', 'cputime=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  const [clock = '', days = '0'] = time.split('-').reverse()
  const seconds = clock.split(':').reduce((total, part) => total * 60 + Number(part), 0)
  return (Number(days) * 86_400 + seconds) * 1000
}
