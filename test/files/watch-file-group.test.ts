import { chmodSync, renameSync, rmSync, truncateSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError } from '../../src/files/file-error.ts';
import { readFileGroup, type FileGroup, type GroupReading } from '../../src/files/file-group.ts';
import { nodeFileSystem, type FileSystem } from '../../src/files/file-system.ts';
import { openFileGroup, systemWatchPort, type WatchedFiles } from '../../src/files/watch-file-group.ts';
import { FakeWatchPort } from './fake-watch-port.ts';
import { interposeFileSystem, permissionDenied } from './interposed-file-system.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

let directory: TemporaryDirectory;
let watches: WatchedFiles<unknown>[] = [];
beforeEach(() => {
  directory = new TemporaryDirectory();
});
afterEach(() => {
  for (const watch of watches) watch.close();
  watches = [];
  directory.remove();
});

/** Long enough for any one change to have been read, settled and told. */
const LONG = 5_000;

class Refused extends Error {}

/** A file system whose clock stands still. */
const coarseFileSystem: FileSystem = {
  ...nodeFileSystem,
  stat: async (path) => ({ ...(await nodeFileSystem.stat(path)), version: 'same tick' }),
};

interface Watched {
  readonly port: FakeWatchPort;
  readonly watch: WatchedFiles<string>;
  /** What was loaded, the contents of each file joined by `+`; contents that begin with `bad` are refused. */
  readonly loads: string[];
  /** How often a loader was asked, also in vain. */
  readonly attempts: () => number;
  /** `loaded`, `recovered`, or what the failure says. */
  readonly events: string[];
}

function filesNamed(...names: readonly string[]): FileGroup {
  return { paths: names.map((name) => directory.at(name)), accepts: null };
}

async function watchFiles(names: readonly string[], fileSystem: FileSystem = nodeFileSystem): Promise<Watched> {
  return await watchGroup(filesNamed(...names), new FakeWatchPort(fileSystem));
}

async function watchGroup(group: FileGroup, port: FakeWatchPort): Promise<Watched> {
  const loads: string[] = [];
  const events: string[] = [];
  let attempts = 0;
  const parse = ({ files }: GroupReading): string => {
    const contents = files.map(({ bytes }) => bytes.toString()).join('+');
    attempts += 1;
    if (contents.startsWith('bad')) throw new Refused(contents);
    return contents;
  };
  const watch = await openFileGroup({ group, parse, port });
  loads.push(watch.initial);
  watch.follow((event) => {
    if (event.kind === 'loaded') loads.push(event.value);
    if (event.kind !== 'failed') events.push(event.kind);
    else if (event.error instanceof FileError) events.push(event.error.code);
    else if (event.error instanceof Refused) events.push(`refused ${event.error.message}`);
    else throw event.error;
  });
  watches.push(watch);
  return { port, watch, loads, attempts: () => attempts, events };
}

/** Begins to watch one file that fails at first; `meanwhile` happens before it is tried again. */
async function watchFailing(name: string, meanwhile: () => void): Promise<Watched> {
  const port = new FakeWatchPort();
  const planned = port.planned();
  const watching = watchGroup(filesNamed(name), port);
  await planned;
  meanwhile();
  port.begin();
  return await watching;
}

describe('a group of files that is followed', () => {
  it('loads at once, and not again while nothing changes', async () => {
    directory.write('a', 'A');
    directory.write('b', 'B');
    const { port, loads, events } = await watchFiles(['a', 'b']);
    expect(loads).toEqual(['A+B']);
    await port.pass(LONG);
    expect(loads).toEqual(['A+B']);
    expect(events).toEqual([]);
  });

  it('loads a change within half a second, all files together, and says so', async () => {
    directory.write('a', 'A');
    directory.write('b', 'B');
    const { port, loads, events } = await watchFiles(['a', 'b']);
    await port.pass(LONG);
    directory.replace('a', 'A2');
    directory.write('b', 'B2');
    await port.pass(500);
    expect(loads).toEqual(['A+B', 'A2+B2']);
    expect(events).toEqual(['loaded']);
    await port.pass(LONG);
    expect(loads).toHaveLength(2);
  });

  it('does not load again what was only touched or written anew', async () => {
    directory.write('a', 'A');
    const { port, loads, events } = await watchFiles(['a']);
    await port.pass(LONG);
    utimesSync(directory.at('a'), 1, 1);
    await port.pass(LONG);
    directory.replace('a', 'A');
    await port.pass(LONG);
    expect(loads).toEqual(['A']);
    expect(events).toEqual([]);
  });

  it('loads when a file of a directory comes, changes and goes', async () => {
    directory.write('p/a.yaml', 'A');
    const group = { paths: [directory.at('p')], accepts: (path: string): boolean => path.endsWith('.yaml') };
    const { port, loads } = await watchGroup(group, new FakeWatchPort());
    directory.write('p/protocols/b.yaml', 'B');
    await port.pass(LONG);
    directory.write('p/c.txt', 'C');
    await port.pass(LONG);
    directory.replace('p/protocols/b.yaml', 'B2');
    await port.pass(LONG);
    rmSync(directory.at('p/a.yaml'));
    await port.pass(LONG);
    expect(loads).toEqual(['A', 'A+B', 'A+B2', 'B2']);
  });

  it('PF-123 refuses to begin with what cannot be read or loaded', async () => {
    await expect(watchFailing('a', () => {})).rejects.toThrow(FileError);
    directory.write('a', 'bad');
    await expect(watchFailing('a', () => {})).rejects.toThrow(Refused);
  });

  it('begins with what is whole a moment later', async () => {
    directory.write('a', 'bad: half of it');
    const { loads, events } = await watchFailing('a', () => directory.write('a', 'all of it'));
    expect(loads).toEqual(['all of it']);
    expect(events).toEqual([]);
  });

  it('neither loads nor reports after it was closed, not even what it was reading', async () => {
    directory.write('a', 'A');
    let onRead = (): void => {};
    const fileSystem = interposeFileSystem(({ kind }) => {
      if (kind === 'read') onRead();
    });
    const { port, watch, loads, events } = await watchFiles(['a'], fileSystem);
    await port.pass(LONG);
    directory.replace('a', 'A2');
    const isReading = new Promise<void>((resolve) => {
      onRead = resolve;
    });
    await port.look();
    port.begin();
    await isReading;
    watch.close();
    // Takes at least as many steps as what is under way.
    await readFileGroup(filesNamed('a'), fileSystem);
    expect(loads).toEqual(['A']);
    expect(events).toEqual([]);
    expect(port.delayMs).toBeNull();
  });

  it('plans no look after it was closed between two', async () => {
    directory.write('a', 'A');
    const { port, watch } = await watchFiles(['a']);
    expect(port.delayMs).toBe(250);
    watch.close();
    expect(port.delayMs).toBeNull();
  });

  it('tells of what changed between the first reading and the first look', async () => {
    directory.write('a', 'A');
    const port = new FakeWatchPort();
    const watch = await openFileGroup({ group: filesNamed('a'), parse: ({ digest }) => digest, port });
    watches.push(watch);
    directory.replace('a', 'A2');
    expect(port.delayMs).toBeNull();
    const events: string[] = [];
    watch.follow(({ kind }) => events.push(kind));
    await port.pass(LONG);
    expect(events).toEqual(['loaded']);
  });

  it('keeps the process alive until it is closed, or a start that fails would end before it could say so', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    directory.write('a', 'A');
    const before = timers();
    const watch = await openFileGroup({ group: filesNamed('a'), parse: ({ digest }) => digest, port: systemWatchPort });
    watch.follow(() => undefined);
    expect(timers()).toBe(before + 1);
    watch.close();
    expect(timers()).toBe(before);
  });
});

describe('failures', () => {
  it('PF-123 keeps what was loaded and tells each distinct failure once', async () => {
    directory.write('a', 'A');
    const { port, loads, events } = await watchFiles(['a']);
    await port.pass(LONG);
    directory.replace('a', 'bad 1');
    await port.pass(LONG);
    utimesSync(directory.at('a'), 1, 1);
    await port.pass(LONG);
    expect(events).toEqual(['refused bad 1']);
    directory.replace('a', 'bad 2');
    await port.pass(LONG);
    expect(events).toEqual(['refused bad 1', 'refused bad 2']);
    directory.replace('a', 'A2');
    await port.pass(LONG);
    expect(events).toEqual(['refused bad 1', 'refused bad 2', 'loaded']);
    expect(loads).toEqual(['A', 'A2']);
  });

  it('tells when the files are again as they were loaded, without loading them again', async () => {
    directory.write('a', 'A');
    const { port, loads, events } = await watchFiles(['a']);
    directory.replace('a', 'bad');
    await port.pass(LONG);
    directory.replace('a', 'A');
    await port.pass(LONG);
    expect(events).toEqual(['refused bad', 'recovered']);
    expect(loads).toEqual(['A']);
  });

  it('tells of a file that vanished, and of its return', async () => {
    directory.write('a', 'A');
    const { port, loads, events } = await watchFiles(['a']);
    renameSync(directory.at('a'), directory.at('elsewhere'));
    await port.pass(LONG);
    expect(events).toEqual(['not-found']);
    renameSync(directory.at('elsewhere'), directory.at('a'));
    await port.pass(LONG);
    expect(events).toEqual(['not-found', 'recovered']);
    expect(loads).toEqual(['A']);
  });

  it('does not try again what was refused', async () => {
    directory.write('a', 'A');
    const { port, attempts } = await watchFiles(['a']);
    directory.replace('a', 'bad');
    await port.pass(LONG);
    directory.replace('a', 'bad');
    await port.pass(LONG);
    expect(attempts()).toBe(2);
  });

  it('does not tell of a file that is gone for a moment and then as it was', async () => {
    directory.write('a', 'A');
    const { port, events } = await watchFiles(['a']);
    renameSync(directory.at('a'), directory.at('elsewhere'));
    await port.look();
    renameSync(directory.at('elsewhere'), directory.at('a'));
    await port.pass(LONG);
    expect(events).toEqual([]);
  });

  it('does not tell of a failure after it was closed', async () => {
    directory.write('a', 'A');
    let onStat = (): void => {};
    const fileSystem = interposeFileSystem(({ kind }) => {
      if (kind === 'stat') onStat();
    });
    const { port, watch, events } = await watchFiles(['a'], fileSystem);
    rmSync(directory.at('a'));
    await port.look();
    const isLooking = new Promise<void>((resolve) => {
      onStat = resolve;
    });
    port.begin();
    await isLooking;
    watch.close();
    await expect(readFileGroup(filesNamed('a'), fileSystem)).rejects.toThrow(FileError);
    expect(events).toEqual([]);
  });

  it('does not tell of a file that is gone for a moment', async () => {
    directory.write('a', 'A');
    const { port, loads, events } = await watchFiles(['a']);
    rmSync(directory.at('a'));
    await port.look();
    directory.write('a', 'A2');
    await port.pass(LONG);
    expect(events).toEqual(['loaded']);
    expect(loads).toEqual(['A', 'A2']);
  });

  it('tells of a directory in place of a file, of forbidden files and of open ones', async () => {
    directory.write('a', 'A');
    let isForbidden = false;
    const fileSystem = interposeFileSystem(({ kind, path }) => {
      if (isForbidden && kind === 'stat' && path.endsWith('/a')) throw permissionDenied();
    });
    const { port, loads, events } = await watchFiles(['a'], fileSystem);
    rmSync(directory.at('a'));
    directory.write('a/b', '');
    await port.pass(LONG);
    rmSync(directory.at('a'), { recursive: true });
    directory.write('a', 'A');
    await port.pass(LONG);
    isForbidden = true;
    await port.pass(LONG);
    isForbidden = false;
    await port.pass(LONG);
    chmodSync(directory.at('a'), 0o666);
    await port.pass(LONG);
    chmodSync(directory.at('a'), 0o600);
    await port.pass(LONG);
    expect(events).toEqual([
      'not-a-file',
      'recovered',
      'permission-denied',
      'recovered',
      'world-writable',
      'recovered',
    ]);
    expect(loads).toEqual(['A']);
  });

  it('loads again when permissions changed, which a loader may judge', async () => {
    directory.write('a', 'A');
    const { port, loads } = await watchFiles(['a']);
    chmodSync(directory.at('a'), 0o644);
    await port.pass(LONG);
    expect(loads).toEqual(['A', 'A']);
  });

  it('goes on after a failure that is followed by others', async () => {
    directory.write('a', 'A');
    const { port, loads, events } = await watchFiles(['a']);
    directory.replace('a', 'bad 1');
    await port.pass(LONG);
    rmSync(directory.at('a'));
    await port.look();
    directory.replace('a', 'bad 1');
    await port.pass(LONG);
    expect(events).toEqual(['refused bad 1']);
    directory.replace('a', 'A');
    await port.pass(LONG);
    expect(events).toEqual(['refused bad 1', 'recovered']);
    expect(loads).toEqual(['A']);
  });
});

describe('PF-129: writers that are not done', () => {
  it('PF-129 waits for a file that is still being written', async () => {
    directory.write('a', 'A');
    const { port, loads, events } = await watchFiles(['a']);
    await port.pass(LONG);
    for (const part of ['', 'long', 'long con', 'long contents']) {
      directory.write('a', part);
      await port.look();
    }
    expect(loads).toEqual(['A']);
    await port.pass(LONG);
    expect(loads).toEqual(['A', 'long contents']);
    expect(events).toEqual(['loaded']);
  });

  it('PF-129 waits for a file that comes back after a change was interrupted', async () => {
    directory.write('a', 'A');
    const { port, loads } = await watchFiles(['a']);
    await port.pass(LONG);
    directory.replace('a', 'A2');
    await port.look();
    rmSync(directory.at('a'));
    await port.pass(LONG);
    directory.write('a', 'half');
    await port.look();
    directory.write('a', 'half and half');
    await port.pass(LONG);
    expect(loads).toEqual(['A', 'half and half']);
  });

  it('PF-129 does not wait for ever for files that never rest', async () => {
    directory.write('a', 'A');
    const { port, loads } = await watchFiles(['a']);
    const beginMs = port.nowMs;
    for (let version = 0; loads.length < 2; version += 1) {
      directory.replace('a', `A${version}`);
      await port.look();
      expect(port.nowMs - beginMs).toBeLessThan(3_000);
    }
  });

  it('PF-129 a certificate and a key written one after the other are no failure', async () => {
    const port = new FakeWatchPort();
    const loads: string[] = [];
    const events: string[] = [];
    directory.write('cert', '1');
    directory.write('key', '1');
    const parse = ({ files }: GroupReading): string => {
      const [certificate, key] = files.map(({ bytes }) => bytes.toString());
      if (certificate !== key) throw new Refused();
      return `${certificate}${key}`;
    };
    const watch = await openFileGroup({ group: filesNamed('cert', 'key'), parse, port });
    watches.push(watch);
    loads.push(watch.initial);
    watch.follow((event) => {
      events.push(event.kind);
      if (event.kind === 'loaded') loads.push(event.value);
    });
    await port.pass(LONG);
    directory.replace('cert', '2');
    await port.look();
    await port.look();
    // The mismatch was read, and is looked at again before anyone hears of it.
    expect(port.delayMs).toBe(port.timing.retryMs);
    directory.replace('key', '2');
    await port.pass(LONG);
    expect(loads).toEqual(['11', '22']);
    expect(events).toEqual(['loaded']);
  });

  it('PF-129 looks again at a failure of the last reading before the files are left alone', async () => {
    directory.write('a', 'old');
    const { port, events } = await watchFiles(['a'], coarseFileSystem);
    await port.look();
    const settledMs = port.nowMs + port.timing.settleMs;
    while (port.nowMs + (port.delayMs ?? 0) < settledMs) await port.look();
    directory.write('a', 'bad');
    await port.pass(LONG);
    expect(events).toEqual(['refused bad']);
  });

  it('PF-129 reads other contents of the same size that times cannot tell apart', async () => {
    directory.write('a', 'old');
    const { port, loads } = await watchFiles(['a'], coarseFileSystem);
    await port.pass(1_000);
    directory.write('a', 'new');
    await port.pass(1_000);
    expect(loads).toEqual(['old', 'new']);
  });

  it('PF-129 never loads a mix of generations, whenever a volume is switched', async () => {
    for (let at = 0; ; at += 1) {
      directory.remove();
      directory = new TemporaryDirectory();
      directory.publish({ cert: '1', key: '1' }, 'keep-old');
      let generation = 1;
      let questions = 0;
      let isArmed = false;
      const fileSystem = interposeFileSystem(() => {
        if (!isArmed) return;
        if (questions === at || questions === at + 3) {
          generation += 1;
          directory.publish({ cert: `${generation}`, key: `${generation}` }, 'remove-old');
        }
        questions += 1;
      });
      const { port, loads, events } = await watchFiles(['cert', 'key'], fileSystem);
      await port.pass(1_000);
      directory.publish({ cert: '1b', key: '1b' }, 'remove-old');
      isArmed = true;
      for (let look = 0; look < 3; look += 1) await port.look();
      isArmed = false;
      await port.pass(1_000);
      for (const contents of loads) expect(contents).toMatch(/^(\w+)\+\1$/);
      expect(loads.at(-1)).toBe(generation === 1 ? '1b+1b' : `${generation}+${generation}`);
      expect(events.filter((event) => event !== 'loaded')).toEqual([]);
      if (questions <= at) return;
    }
  });

  it('PF-129 comes through a storm of renames, cuts and removals with the last contents loaded', async () => {
    directory.write('a', '0');
    directory.write('b', '0');
    let count = 0;
    let isStorm = false;
    const fileSystem = interposeFileSystem(() => {
      if (!isStorm) return;
      count += 1;
      if (count % 7 === 0) rmSync(directory.at('a'), { force: true });
      else if (count % 5 === 0) truncateSync(directory.replace('a', 'bad'), 1);
      else directory.replace(count % 2 === 0 ? 'a' : 'b', `${count}`);
    });
    const { port, loads, events } = await watchFiles(['a', 'b'], fileSystem);
    isStorm = true;
    for (let look = 0; look < 50; look += 1) await port.look();
    isStorm = false;
    directory.replace('a', 'last');
    directory.replace('b', 'last');
    await port.pass(LONG);
    expect(loads.at(-1)).toBe('last+last');
    expect(events.at(-1)).toBe('loaded');
  });
});
