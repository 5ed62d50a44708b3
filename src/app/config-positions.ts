// Where the configuration file names what is outside of it: the place to look when one of them is not what it should be.

import { resolve } from 'node:path';
import type { SourcePosition } from '../core/source-position.ts';
import { type Origin, placeOf } from './config-origin.ts';
import type { ConfigDocument } from './config-schema.ts';

type Path = readonly PropertyKey[];

export interface ConfigPositions {
  /** Of our own certificate's file, or of the Workload API's socket. */
  readonly identity: SourcePosition;
  /** Of the whole mapping of bundle files, or of the Workload API's socket. */
  readonly trustBundles: SourcePosition;
  readonly policy: SourcePosition;
  /** Of every file but the policy, by its absolute path; of one that is named twice the first place. */
  readonly files: ReadonlyMap<string, SourcePosition>;
}

export function findPositions(document: ConfigDocument, origin: Origin): ConfigPositions {
  const ofFiles = document.identity.files !== undefined;
  const files = new Map<string, SourcePosition>();
  for (const { path, file } of namedFiles(document)) {
    if (file === undefined) continue;
    const absolute = resolve(origin.directory, file);
    if (!files.has(absolute)) files.set(absolute, placeOf(origin, ...path));
  }
  const socket = placeOf(origin, 'identity', 'workloadApi', 'socket');
  return {
    identity: ofFiles ? placeOf(origin, 'identity', 'files', 'certificate') : socket,
    trustBundles: ofFiles ? placeOf(origin, 'identity', 'files', 'trustBundles') : socket,
    policy: placeOf(origin, 'policy', 'path'),
    files,
  };
}

interface NamedFile {
  readonly path: Path;
  readonly file: string | undefined;
}

function* namedFiles({ identity: { files }, trust, revocation }: ConfigDocument): Iterable<NamedFile> {
  if (files !== undefined) {
    yield { path: ['identity', 'files', 'certificate'], file: files.certificate };
    yield { path: ['identity', 'files', 'privateKey'], file: files.privateKey };
    for (const [name, file] of files.trustBundles) yield { path: ['identity', 'files', 'trustBundles', name], file };
  }
  for (const [name, file] of trust.bundles ?? []) yield { path: ['trust', 'bundles', name], file };
  for (const [name, federated] of trust.federation ?? []) {
    yield { path: ['trust', 'federation', name, 'bundle'], file: federated.bundle };
    if (federated.profile === 'https_web') yield { path: ['trust', 'federation', name, 'ca'], file: federated.ca };
  }
  if (trust.endpoint?.profile === 'https_web') {
    yield { path: ['trust', 'endpoint', 'certificate'], file: trust.endpoint.certificate };
    yield { path: ['trust', 'endpoint', 'privateKey'], file: trust.endpoint.privateKey };
  }
  yield { path: ['revocation', 'file'], file: revocation.file };
  yield { path: ['revocation', 'redis', 'passwordFile'], file: revocation.redis?.passwordFile };
  yield { path: ['revocation', 'redis', 'ca'], file: revocation.redis?.ca };
}
