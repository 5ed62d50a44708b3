import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError } from '../../src/files/file-error.ts';
import { readFileGroup, type FileGroup, type GroupReading } from '../../src/files/file-group.ts';
import { nodeFileSystem, type FileSystem } from '../../src/files/file-system.ts';
import { interposeFileSystem, permissionDenied } from './interposed-file-system.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

let directory: TemporaryDirectory;
beforeEach(() => {
  directory = new TemporaryDirectory();
});
afterEach(() => directory.remove());

const files = (...names: readonly string[]): FileGroup => ({
  paths: names.map((name) => directory.at(name)),
  accepts: null,
});
const yamlBelow = (name = ''): FileGroup => ({
  paths: [directory.at(name)],
  accepts: (path) => path.endsWith('.yaml'),
});
const read = (group: FileGroup): Promise<GroupReading> => readFileGroup(group, nodeFileSystem);

/** Relative path → contents. */
function contentsOf(reading: GroupReading): Readonly<Record<string, string>> {
  return Object.fromEntries(
    reading.files.map(({ path, bytes }) => [path.slice(directory.path.length + 1), bytes.toString()]),
  );
}

async function codeOf(group: FileGroup, fileSystem = nodeFileSystem): Promise<string> {
  try {
    await readFileGroup(group, fileSystem);
    return 'read';
  } catch (error) {
    if (error instanceof FileError) return error.code;
    throw error;
  }
}

describe('readFileGroup', () => {
  it('reads every file of the group, once each, by path', async () => {
    directory.write('b', 'B');
    directory.write('a', 'A');
    directory.write('empty', '');
    const reading = await read(files('b', 'a', 'b', 'empty'));
    expect(contentsOf(reading)).toEqual({ a: 'A', b: 'B', empty: '' });
    expect(Object.keys(contentsOf(reading))).toEqual(['a', 'b', 'empty']);
    expect(reading.warnings).toEqual([]);
  });

  it('gives another digest when contents, names or permissions differ, and only then', async () => {
    directory.write('a', 'xy');
    directory.write('b', 'z');
    const { digest } = await read(files('a', 'b'));
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    directory.replace('a', 'xy');
    expect((await read(files('a', 'b'))).digest).toBe(digest);
    expect((await read(files('b', 'a'))).digest).toBe(digest);
    directory.write('a', 'x');
    directory.write('b', 'yz');
    expect((await read(files('a', 'b'))).digest).not.toBe(digest);
    directory.write('a', 'xy');
    directory.write('b', 'z');
    expect((await read(files('a', 'b'))).digest).toBe(digest);
    chmodSync(directory.at('a'), 0o640);
    expect((await read(files('a', 'b'))).digest).not.toBe(digest);
  });

  it('follows links, relative, absolute and through directories', async () => {
    directory.write('real/deep/file', 'F');
    symlinkSync('real', directory.at('link'));
    symlinkSync(directory.at('link/deep'), directory.at('absolute'));
    symlinkSync('../link/../real/deep/file', directory.at('real/up'));
    expect(contentsOf(await read(files('link/deep/file', 'absolute/file', 'real/up')))).toEqual({
      'link/deep/file': 'F',
      'absolute/file': 'F',
      'real/up': 'F',
    });
  });

  it('says what is wrong with what it cannot read', async () => {
    directory.write('file', '');
    mkdirSync(directory.at('directory'));
    execFileSync('mkfifo', [directory.at('pipe')]);
    symlinkSync('nowhere', directory.at('dangling'));
    symlinkSync('loop', directory.at('loop'));
    directory.write('large', '');
    truncateSync(directory.at('large'), 8 * 1024 * 1024 + 1);
    expect(await codeOf(files('missing'))).toBe('not-found');
    expect(await codeOf(files('file/below'))).toBe('not-found');
    expect(await codeOf(files('dangling'))).toBe('not-found');
    expect(await codeOf(files('directory'))).toBe('not-a-file');
    expect(await codeOf(files('pipe'))).toBe('not-a-file');
    expect(await codeOf(files('loop'))).toBe('link-loop');
    expect(await codeOf(files('large'))).toBe('too-large');
    const denied = interposeFileSystem(({ kind }) => {
      if (kind === 'read') throw permissionDenied();
    });
    expect(await codeOf(files('file'), denied)).toBe('permission-denied');
    await expect(read(files('missing'))).rejects.toThrow(`\`${directory.at('missing')}\`: no such file or directory`);
    const broken = interposeFileSystem(() => {
      throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', syscall: 'open' });
    });
    await expect(readFileGroup(files('file'), broken)).rejects.toThrow('it could not be read (EMFILE)');
  });

  it('does not take its own faults for those of files', async () => {
    directory.write('file', '');
    const broken = interposeFileSystem(() => {
      throw new TypeError('a fault of the program');
    });
    await expect(readFileGroup(files('file'), broken)).rejects.toThrow(TypeError);
  });
});

describe('readFileGroup of a directory', () => {
  it('reads what it accepts, below it too, and nothing hidden', async () => {
    directory.write('p/a.yaml', 'A');
    directory.write('p/protocols/b.yaml', 'B');
    directory.write('p/notes.txt', 'no');
    directory.write('p/.a.yaml.swp.yaml', 'no');
    directory.write('p/.git/c.yaml', 'no');
    expect(contentsOf(await read(yamlBelow('p')))).toEqual({ 'p/a.yaml': 'A', 'p/protocols/b.yaml': 'B' });
    expect(contentsOf(await read(yamlBelow('p/a.yaml')))).toEqual({ 'p/a.yaml': 'A' });
  });

  it('is told the path relative to the directory', async () => {
    directory.write('p/protocols/b.yaml', 'B');
    const asked: string[] = [];
    await read({ paths: [directory.at('p')], accepts: (path) => asked.push(path) > 0 });
    expect(asked).toEqual(['protocols/b.yaml']);
  });

  it('refuses a link to nowhere, a pipe and too much', async () => {
    directory.write('p/a.yaml', 'A');
    symlinkSync('nowhere', directory.at('p/b.yaml'));
    symlinkSync('nowhere', directory.at('p/b.txt'));
    expect(await codeOf(yamlBelow('p'))).toBe('not-found');
    rmSync(directory.at('p/b.yaml'));
    expect(await codeOf(yamlBelow('p'))).toBe('read');
    execFileSync('mkfifo', [directory.at('p/c.yaml')]);
    expect(await codeOf(yamlBelow('p'))).toBe('not-a-file');
    rmSync(directory.at('p/c.yaml'));
    symlinkSync('.', directory.at('p/self'));
    expect(await codeOf(yamlBelow('p'))).toBe('too-deep');
    rmSync(directory.at('p/self'));
    for (let count = 0; count <= 1_000; count += 1) directory.write(`p/x${count}.yaml`, '');
    expect(await codeOf(yamlBelow('p'))).toBe('too-many-files');
  });

  it('passes over a file that goes away while the directory is listed', async () => {
    directory.write('p/a.yaml', 'A');
    directory.write('p/b.yaml', 'B');
    const fileSystem = interposeFileSystem(({ kind, path }) => {
      if (kind === 'stat' && path.endsWith('b.yaml')) rmSync(path, { force: true });
    });
    expect(contentsOf(await readFileGroup(yamlBelow('p'), fileSystem))).toEqual({ 'p/a.yaml': 'A' });
  });

  it('PF-129 reads the files that the generation of a volume has, not the links that are made later', async () => {
    directory.publish({ 'a.yaml': '1', 'gone.yaml': '1', 'protocols/p.yaml': '1' }, 'keep-old');
    directory.publish({ 'a.yaml': '2', 'new.yaml': '2', 'protocols/p.yaml': '2' }, 'keep-old');
    // The moment between the switch and the links: what is new has no link yet, what is gone still has one.
    rmSync(directory.at('new.yaml'));
    expect(contentsOf(await read(yamlBelow()))).toEqual({ 'a.yaml': '2', 'new.yaml': '2', 'protocols/p.yaml': '2' });
  });
});

describe('PF-129: files that change while they are read', () => {
  const both = { cert: 'old', key: 'old' };
  const next = { cert: 'new', key: 'new' };

  /** Reads again and again, with `change` put before each of the questions in turn; every reading must be all old or all new. */
  async function readWithChangeAtEachQuestion(
    prepare: () => void,
    change: () => void,
    group: () => FileGroup,
  ): Promise<ReadonlySet<string>> {
    const seen = new Set<string>();
    for (let at = 0; ; at += 1) {
      directory.remove();
      directory = new TemporaryDirectory();
      prepare();
      let isChanged = false;
      const fileSystem = interposeFileSystem(({ index }) => {
        if (index !== at) return;
        change();
        isChanged = true;
      });
      const contents = Object.values(contentsOf(await readFileGroup(group(), fileSystem)));
      expect(new Set(contents).size, `a mix of generations at question ${at}`).toBe(1);
      seen.add(contents.join());
      if (!isChanged) return seen;
    }
  }

  it('PF-129 a volume switched at any moment is read in one generation', async () => {
    const seen = await readWithChangeAtEachQuestion(
      () => directory.publish(both, 'keep-old'),
      () => directory.publish(next, 'keep-old'),
      () => files('cert', 'key'),
    );
    expect(seen).toEqual(new Set(['old,old', 'new,new']));
  });

  it('PF-129 a volume switched at any moment is read in one generation although the old one is removed', async () => {
    const seen = await readWithChangeAtEachQuestion(
      () => directory.publish(both, 'keep-old'),
      () => directory.publish(next, 'remove-old'),
      () => files('cert', 'key'),
    );
    expect(seen).toEqual(new Set(['old,old', 'new,new']));
  });

  it('PF-129 a directory of a volume switched at any moment is read in one generation', async () => {
    const seen = await readWithChangeAtEachQuestion(
      () => directory.publish({ 'a.yaml': 'old', 'b.yaml': 'old', 'protocols/p.yaml': 'old' }, 'keep-old'),
      () => directory.publish({ 'a.yaml': 'new', 'c.yaml': 'new', 'protocols/p.yaml': 'new' }, 'remove-old'),
      () => yamlBelow(),
    );
    expect(seen).toEqual(new Set(['old,old,old', 'new,new,new']));
  });

  it('PF-129 a volume of directories alone is not taken for an empty one when its old generation is removed', async () => {
    const seen = await readWithChangeAtEachQuestion(
      () => directory.publish({ 'protocols/p.yaml': 'old' }, 'keep-old'),
      () => directory.publish({ 'protocols/p.yaml': 'new' }, 'remove-old'),
      () => yamlBelow(),
    );
    expect(seen).toEqual(new Set(['old', 'new']));
  });

  it('PF-129 files renamed over at any moment are read as they were or as they are', async () => {
    const seen = await readWithChangeAtEachQuestion(
      () => Object.entries(both).forEach(([name, contents]) => directory.write(name, contents)),
      () => Object.entries(next).forEach(([name, contents]) => directory.replace(name, contents)),
      () => files('cert', 'key'),
    );
    expect(seen).toEqual(new Set(['old,old', 'new,new']));
  });

  it('PF-129 files rewritten in place at any moment are read as they were or as they are', async () => {
    const seen = await readWithChangeAtEachQuestion(
      () => Object.entries(both).forEach(([name, contents]) => directory.write(name, contents)),
      () =>
        Object.entries({ cert: 'longer', key: 'longer' }).forEach(([name, contents]) =>
          directory.write(name, contents),
        ),
      () => files('cert', 'key'),
    );
    expect(seen).toEqual(new Set(['old,old', 'longer,longer']));
  });

  it('PF-129 a file that grows or shrinks with every read is refused', async () => {
    const path = directory.write('file', 'x');
    const growing = interposeFileSystem(({ kind }) => {
      if (kind === 'read') appendFileSync(path, 'x');
    });
    expect(await codeOf(files('file'), growing)).toBe('unstable');
    const shrinking = interposeFileSystem(({ kind }) => {
      if (kind === 'read') truncateSync(path, statSync(path).size - 1);
    });
    expect(await codeOf(files('file'), shrinking)).toBe('unstable');
  });

  it('PF-129 other contents of the same size under the same modification time are another version', async () => {
    const path = directory.write('file', 'old');
    utimesSync(path, 1, 1);
    const before = await nodeFileSystem.stat(path);
    let after = before;
    // The clock of the file system may tick only every few milliseconds.
    while (after.version === before.version) {
      directory.write('file', 'new');
      utimesSync(path, 1, 1);
      after = await nodeFileSystem.stat(path);
    }
    expect(after).toEqual({ ...before, version: after.version });
    expect(statSync(path).mtimeMs).toBe(1_000);
  });

  it('PF-129 a file rewritten while it is being read is read again', async () => {
    directory.write('file', 'old');
    let reads = 0;
    const torn: FileSystem = {
      ...nodeFileSystem,
      read: async (resolved, maxBytes) => {
        reads += 1;
        if (reads > 1) return await nodeFileSystem.read(resolved, maxBytes);
        directory.write('file', 'new');
        return Buffer.from('nld');
      },
    };
    expect(contentsOf(await readFileGroup(files('file'), torn))).toEqual({ file: 'new' });
  });

  it('PF-129 fewer bytes than the file had are not taken for the file, whatever its times say', async () => {
    directory.write('file', 'whole');
    let reads = 0;
    const cut: FileSystem = {
      ...nodeFileSystem,
      read: async (path, maxBytes) => {
        reads += 1;
        return (await nodeFileSystem.read(path, maxBytes)).subarray(reads === 1 ? 2 : 0);
      },
    };
    expect(contentsOf(await readFileGroup(files('file'), cut))).toEqual({ file: 'whole' });
  });

  it('PF-129 a pipe put in place of a file between survey and read does not hold up the reader', async () => {
    directory.write('file', 'F');
    let isSwapped = false;
    const fileSystem = interposeFileSystem(({ kind, path }) => {
      if (kind !== 'read' || isSwapped) return;
      isSwapped = true;
      rmSync(path);
      execFileSync('mkfifo', [path]);
    });
    expect(await codeOf(files('file'), fileSystem)).toBe('not-a-file');
    expect(isSwapped).toBe(true);
  });

  it('PF-129 a link put in place of a file between survey and read is seen', async () => {
    directory.write('file', 'F');
    directory.write('secret', 'S');
    let isSwapped = false;
    const fileSystem = interposeFileSystem(({ kind, path }) => {
      if (kind !== 'read' || isSwapped) return;
      isSwapped = true;
      rmSync(path);
      symlinkSync('secret', path);
    });
    const reading = await readFileGroup(files('file'), fileSystem);
    expect(contentsOf(reading)).toEqual({ file: 'S' });
    expect(isSwapped).toBe(true);
  });
});

describe('PF-130: what anyone could have written', () => {
  it('PF-130 refuses a world-writable file, also behind a link', async () => {
    chmodSync(directory.write('file', ''), 0o602);
    symlinkSync('file', directory.at('link'));
    expect(await codeOf(files('file'))).toBe('world-writable');
    expect(await codeOf(files('link'))).toBe('world-writable');
    chmodSync(directory.at('file'), 0o620);
    expect(await codeOf(files('file'))).toBe('read');
    await expect(async () => {
      chmodSync(directory.at('file'), 0o666);
      await read(files('file'));
    }).rejects.toThrow('everyone on this machine may write it; take that permission away (chmod o-w)');
  });

  it('PF-130 warns of a world-writable directory on the way, unless it is sticky', async () => {
    directory.write('open/below/file', '');
    symlinkSync('open/below', directory.at('link'));
    for (const path of ['open/below/file', 'link/file']) {
      chmodSync(directory.at('open'), 0o777);
      expect((await read(files(path))).warnings).toEqual([
        {
          code: 'world-writable-directory',
          message: `everyone on this machine may replace files in \`${directory.at('open')}\`; take that permission away (chmod o-w)`,
        },
      ]);
      chmodSync(directory.at('open'), 0o1777);
      expect((await read(files(path))).warnings).toEqual([]);
    }
  });

  it('PF-130 does not warn of a world-writable directory that is mounted read-only', async () => {
    directory.write('open/file', '');
    chmodSync(directory.at('open'), 0o777);
    const mounted = { ...nodeFileSystem, isReadOnly: async (path: string) => path === directory.at('open') };
    expect((await readFileGroup(files('open/file'), nodeFileSystem)).warnings).toHaveLength(1);
    expect((await readFileGroup(files('open/file'), mounted)).warnings).toEqual([]);
  });

  it('takes what can be written, and what is not there, for neither', async () => {
    expect(await nodeFileSystem.isReadOnly(directory.path)).toBe(false);
    expect(await nodeFileSystem.isReadOnly(directory.at('nothing'))).toBe(false);
  });

  // Mounting takes a namespace of one's own, which not every machine gives.
  it.skipIf(spawnSync('sh', ['-c', 'unshare -rm true']).status !== 0)('PF-130 sees that a mount is read-only', () => {
    const script = `
      mount -t tmpfs none "$0" && mkdir -m 777 "$0/open" && mount -o remount,bind,ro "$0" &&
      exec "$1" --input-type=module -e "
        import { nodeFileSystem } from '$2';
        process.stdout.write(String(await nodeFileSystem.isReadOnly('$0/open')));
      "`;
    const fileSystem = fileURLToPath(new URL('../../src/files/file-system.ts', import.meta.url));
    const wrapped = [
      '-c',
      `unshare -rm sh -c "$3" "$0" "$1" "$2"`,
      directory.path,
      process.execPath,
      fileSystem,
      script,
    ];
    expect(execFileSync('sh', wrapped).toString()).toBe('true');
  });
});
