// A policy directory, or one policy file, and the protocols that come with the program, as one group of files.

import { join } from 'node:path';
import type { PolicySource } from '../policy/load.ts';
import type { FileGroup, GroupReading } from './file-group.ts';

export interface PolicyLocation {
  /** Absolute path of a policy file, or of a directory with policy files and perhaps `protocols/`. */
  readonly path: string;
  /** Absolute path of the directory of the protocols that come with the program. */
  readonly builtinProtocols: string;
}

const PROTOCOLS_PREFIX = 'protocols/';

/** Whose signatures count for which artifacts: lies beside policies, and is none. */
export const TRUST_DOCUMENT = 'artifacts.yaml';

export function policyGroup({ path, builtinProtocols }: PolicyLocation): FileGroup {
  return { paths: [path, builtinProtocols], accepts: isPolicyOrProtocol };
}

/** Protocols that came with the program are marked as such: one beside the policy takes the place of its namesake. */
export function toPolicySources(
  reading: GroupReading,
  { path, builtinProtocols }: PolicyLocation,
): readonly PolicySource[] {
  // The policies that come with the program lie beside its protocols, so that those are found on both ways.
  const sources = new Map<string, PolicySource>();
  for (const { path: file, bytes } of reading.files) {
    sources.set(file, { file, kind: kindOf(file), bytes });
  }
  return [...sources.values()];

  function kindOf(file: string): PolicySource['kind'] {
    if (file.startsWith(join(builtinProtocols, '/'))) return 'shipped-protocol';
    return file.startsWith(join(path, PROTOCOLS_PREFIX)) ? 'protocol' : 'policy';
  }
}

function isPolicyOrProtocol(relativePath: string): boolean {
  const name = relativePath.startsWith(PROTOCOLS_PREFIX) ? relativePath.slice(PROTOCOLS_PREFIX.length) : relativePath;
  return /^[^/]+\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name) && relativePath !== TRUST_DOCUMENT;
}
