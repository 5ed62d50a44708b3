// A directory of manifests, and what is read from it.

import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Unreadable } from '../../src/audit/inventory.ts';
import { formatObject } from '../../src/audit/kube-object.ts';
import { type FileTree, nodeFileTree } from '../../src/kube/file-tree.ts';
import {
  MANIFEST_LIMITS,
  type ManifestInventory,
  type ManifestLimits,
  readManifests,
} from '../../src/kube/manifests.ts';
import type { SourcePosition } from '../../src/core/source-position.ts';
import { TemporaryDirectory } from '../files/temporary-directory.ts';

export const POD = `apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
spec:
  containers:
    - name: main
      image: registry.example/web:1
`;

export interface ReadTerms {
  readonly tree?: FileTree;
  readonly limits?: Partial<ManifestLimits>;
  readonly stdin?: readonly string[];
}

export class ManifestSetting {
  readonly directory = new TemporaryDirectory();

  write(files: Readonly<Record<string, string | Buffer>>): this {
    for (const [name, contents] of Object.entries(files)) {
      this.directory.write(name, typeof contents === 'string' ? contents : contents.toString('latin1'));
    }
    return this;
  }

  /** Paths are names in the directory; `-` is standard input. */
  read(paths: readonly string[] = ['.'], terms: ReadTerms = {}): Promise<ManifestInventory> {
    const given = paths.map((path) => (path === '-' ? path : this.directory.at(path)));
    return readManifests(given, {
      tree: terms.tree ?? nodeFileTree,
      stdin: chunks(terms.stdin ?? []),
      defaultNamespace: 'default',
      limits: { ...MANIFEST_LIMITS, ...terms.limits },
    });
  }

  async objects(paths?: readonly string[], terms?: ReadTerms): Promise<readonly string[]> {
    const { objects, unreadable } = await this.read(paths, terms);
    return [...objects.map(formatObject), ...unreadable.map((entry) => `! ${this.describe(entry)}`)];
  }

  /** `file:line:column reason: detail`, with the file as it is named in the directory. */
  describe({ position, reason, detail }: Unreadable): string {
    const place = position === null ? '?' : `${this.nameOf(position.file)}:${position.line}:${position.column}`;
    return `${place} ${reason}: ${detail.replaceAll(this.directory.path, '')}`;
  }

  nameOf(file: string): string {
    return file.startsWith(this.directory.path) ? relative(this.directory.path, file) || '.' : file;
  }

  /** The rest of the line at a position. */
  textAt({ file, line, column }: SourcePosition): string {
    const lines = readFileSync(file, 'utf8').split(/\r?\n/);
    return (lines[line - 1] ?? '').slice(column - 1);
  }
}

async function* chunks(texts: readonly string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
