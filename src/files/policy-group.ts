// A policy directory, or one policy file, and the protocols that come with the program, as one group of files.

import { basename, join } from 'node:path';
import type { PolicySource } from '../policy/load.ts';
import type { FileGroup, GroupFile, GroupReading } from './file-group.ts';

export interface PolicyLocation {
  /** Absolute path of a policy file, or of a directory with policy files and perhaps `protocols/`. */
  readonly path: string;
  /** Absolute path of the directory of the protocols that come with the program. */
  readonly builtinProtocols: string;
}

const PROTOCOLS_PREFIX = 'protocols/';

export function policyGroup({ path, builtinProtocols }: PolicyLocation): FileGroup {
  return { paths: [path, builtinProtocols], accepts: isPolicyOrProtocol };
}

/** A protocol beside the policy replaces the one of the same name that came with the program. */
export function toPolicySources(
  reading: GroupReading,
  { path, builtinProtocols }: PolicyLocation,
): readonly PolicySource[] {
  const own = join(path, PROTOCOLS_PREFIX);
  const policies: PolicySource[] = [];
  const protocols = new Map<string, PolicySource>();
  for (const file of reading.files) {
    const isOwnProtocol = file.path.startsWith(own);
    if (isOwnProtocol || file.path.startsWith(join(builtinProtocols, '/'))) {
      const name = basename(file.path);
      if (isOwnProtocol || !protocols.has(name)) protocols.set(name, toSource(file, 'protocol'));
    } else {
      policies.push(toSource(file, 'policy'));
    }
  }
  return [...policies, ...protocols.values()];
}

function toSource({ path, bytes }: GroupFile, kind: PolicySource['kind']): PolicySource {
  return { file: path, kind, bytes };
}

function isPolicyOrProtocol(relativePath: string): boolean {
  const name = relativePath.startsWith(PROTOCOLS_PREFIX) ? relativePath.slice(PROTOCOLS_PREFIX.length) : relativePath;
  return /^[^/]+\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name);
}
