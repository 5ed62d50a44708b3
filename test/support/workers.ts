// Which worker of a sidecar has which connection, from /proc; and a peer on each of them.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { RawPeer } from './proxy-fixture.ts';
import type { LogLine } from './sidecar-process.ts';

interface Logged {
  readonly port: number;
  readonly log: readonly LogLine[];
}

/** Of the workers that served at any time, oldest first. */
export function workerPids({ log }: Pick<Logged, 'log'>): readonly number[] {
  return log.filter(({ msg }) => msg === 'a worker serves').map(({ workerPid }) => Number(workerPid));
}

export function isRunning(pid: number): boolean {
  try {
    // A process that has ended and was not waited for yet has no files, and no command line.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}

/** The worker at the other end; null while none has taken the connection. */
export function workerOf(sidecar: Logged, { socket }: RawPeer): number | null {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const row = rows
    .map((line) => line.trim().split(/\s+/))
    .find(
      ([, local, remote]) =>
        local?.endsWith(`:${hex(sidecar.port)}`) && remote?.endsWith(`:${hex(socket.localPort ?? 0)}`),
    );
  const inode = row?.[9];
  return workerPids(sidecar).find((pid) => isRunning(pid) && linksOf(pid).includes(`socket:[${inode}]`)) ?? null;
}

function linksOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
}

/** By worker; of two that do not get the same worker every time, each has one after a few dozen. */
export async function peerOnEach(
  sidecar: Logged,
  pids: readonly number[],
  open: () => Promise<RawPeer>,
): Promise<ReadonlyMap<number, RawPeer>> {
  const peers = new Map<number, RawPeer>();
  for (let opened = 0; opened < 64 && peers.size < pids.length; opened += 1) {
    const peer = await open();
    const pid = workerOf(sidecar, peer);
    if (pid === null || peers.has(pid) || !pids.includes(pid)) peer.socket.destroy();
    else peers.set(pid, peer);
  }
  if (peers.size < pids.length) throw new Error(`of ${pids.join()} only ${[...peers.keys()].join()} take connections`);
  return peers;
}

/** The sum of the samples of a metric. */
export function sumOf(exposition: string, name: string, labels = ''): number {
  const lines = exposition.split('\n').filter((line) => /^[^#{ ]+/.exec(line)?.[0] === name && line.includes(labels));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
