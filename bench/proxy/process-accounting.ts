// What a process has used, from the kernel's own accounting: proc(5).

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** CPU of all threads so far, user and system. In nanoseconds where the kernel says so; `stat` counts in ticks of 10 ms. */
export function cpuSeconds(pid: number): number {
  const { user, system } = readTicks(pid);
  const ofAll = (user + system) / TICKS_PER_SECOND;
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'));
    const ofThoseThatRun = nanoseconds.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1e9;
    // Threads that have ended, one for each connection with some, are in ticks alone.
    return Math.max(ofThoseThatRun, ofAll);
  } catch {
    // A thread that has just ended, or a kernel without schedstat.
    return ofAll;
  }
}

/** Called, it tells how much of the CPU used since then was used in the kernel. */
export function kernelShare(pid: number): () => number {
  const before = readTicks(pid);
  return () => {
    const after = readTicks(pid);
    const system = after.system - before.system;
    return system / (system + after.user - before.user);
  };
}

/** What a process may raise its own limit to. */
export function maxOpenFiles(): number {
  const hard = /^Max open files +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

function readTicks(pid: number): { readonly user: number; readonly system: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return { user: Number(fields[11]), system: Number(fields[12]) };
}

export function residentBytes(pid: number): number {
  return readStatus(pid, 'VmRSS');
}

/** The most that was resident since `forgetPeak`. */
export function peakBytes(pid: number): number {
  return readStatus(pid, 'VmHWM');
}

export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function readStatus(pid: number, key: string): number {
  const line = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}
