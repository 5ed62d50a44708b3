// A directory of the test's own on the real file system, and the ways in which others write files there.

import { mkdirSync, mkdtempSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export class TemporaryDirectory {
  readonly path: string;
  #generation = 0;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'sallyport-files-'));
  }

  at(name: string): string {
    return join(this.path, name);
  }

  /** Writes in place, as `cp` and `echo >` do. */
  write(name: string, contents: string): string {
    const path = this.at(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents, { mode: 0o600 });
    return path;
  }

  /** Writes beside and renames over, as editors and careful programs do. */
  replace(name: string, contents: string): string {
    renameSync(this.write(`.${name}.new`, contents), this.at(name));
    return this.at(name);
  }

  /**
   * As the kubelet does: a new directory with every file, then `..data` is renamed onto it, then the visible links are
   * made. The generation before goes away when `keepOld` is not set.
   */
  publish(files: Readonly<Record<string, string>>, keep: 'keep-old' | 'remove-old'): void {
    this.#generation += 1;
    const name = `..generation_${this.#generation}`;
    for (const [file, contents] of Object.entries(files)) this.write(`${name}/${file}`, contents);
    const old = this.#readData();
    symlinkSync(name, this.at('..data_tmp'));
    renameSync(this.at('..data_tmp'), this.at('..data'));
    for (const file of Object.keys(files)) {
      const top = file.split('/')[0] ?? file;
      rmSync(this.at(top), { force: true });
      symlinkSync(`..data/${top}`, this.at(top));
    }
    if (old !== null && keep === 'remove-old') rmSync(this.at(old), { recursive: true });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #readData(): string | null {
    try {
      return readlinkSync(this.at('..data'));
    } catch {
      return null;
    }
  }
}
