// What the sidecar's decisions rest on, read from files, kept up to date, and swapped whole: identity, trust bundles, policy.

import { SnapshotCell } from '../core/snapshot.ts';
import { formatProblem } from '../core/source-position.ts';
import type { FileGroup, FileWarning, GroupReading } from '../files/file-group.ts';
import {
  ownIdentityGroup,
  parseOwnIdentityFiles,
  parseTrustBundleFiles,
  trustBundleGroup,
} from '../files/identity-files.ts';
import { policyGroup, type PolicyLocation, toPolicySources } from '../files/policy-group.ts';
import { openFileGroup, type ReloadEvent, type WatchedFiles, type WatchPort } from '../files/watch-file-group.ts';
import { loadPolicy } from '../policy/load.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import { findUnsupported } from './config-unsupported.ts';
import type { Config } from './config.ts';
import { describeLoadFailure, StartError } from './start-error.ts';

export type MaterialName = Parameters<Recorder['reload']>[0];

/** What becomes of the files; when it is told, the snapshot is already in force. */
export interface MaterialEvents {
  /** Once for the first load, and again for every load after it. */
  readonly warned: (what: MaterialName, warning: FileWarning) => void;
  readonly reloaded: (what: MaterialName) => void;
  /** The files are again what is in force. */
  readonly recovered: (what: MaterialName) => void;
  readonly failed: (what: MaterialName, error: unknown) => void;
}

/** A value read from files, and why its files can at present not be read, if so. */
export interface Material<T> {
  readonly cell: SnapshotCell<T>;
  /** The failure of the last reload, or null when the files are what is in force. */
  readonly failure: unknown;
}

export interface Materials {
  readonly identity: Material<OwnIdentity>;
  readonly trust: Material<TrustBundles>;
  readonly policy: Material<CompiledPolicy>;
  /** Keeps everything up to date from now on; nothing has been told before this. To be called once. */
  follow(events: MaterialEvents): void;
  close(): void;
}

/**
 * Loads everything.
 * @throws {StartError} with what is wrong with each of them.
 */
export async function openMaterials(
  config: Config,
  from: { readonly builtinProtocols: string; readonly port: WatchPort },
): Promise<Materials> {
  const { trustDomain, identity: files } = config;
  if (files.kind !== 'files') throw new StartError(findUnsupported(config).map(formatProblem));
  const location: PolicyLocation = { path: config.policy.path, builtinProtocols: from.builtinProtocols };
  const opening = [
    openMaterial<OwnIdentity>(from.port, {
      name: 'identity',
      group: ownIdentityGroup(files),
      parse: (reading) => {
        const { identity, warnings } = parseOwnIdentityFiles(reading, files, trustDomain);
        return { value: identity, warnings };
      },
    }),
    openMaterial<TrustBundles>(from.port, {
      name: 'trust-bundle',
      group: trustBundleGroup(files.trustBundles),
      parse: (reading) => ({
        value: parseTrustBundleFiles(reading, files.trustBundles),
        warnings: reading.warnings,
      }),
    }),
    openMaterial<CompiledPolicy>(from.port, {
      name: 'policy',
      group: policyGroup(location),
      parse: (reading) => ({
        value: loadPolicy(toPolicySources(reading, location), config.policy.mode),
        warnings: reading.warnings,
      }),
    }),
  ] as const;
  const lines = (await Promise.allSettled(opening)).flatMap((outcome) =>
    outcome.status === 'rejected' ? describeLoadFailure(outcome.reason, config) : [],
  );
  if (lines.length > 0) throw new StartError(lines);
  const [identity, trust, policy] = await Promise.all(opening);
  const all = [identity, trust, policy];
  return {
    identity,
    trust,
    policy,
    follow: (events) => {
      for (const material of all) material.follow(events);
    },
    close: () => {
      for (const material of all) material.close();
    },
  };
}

interface MaterialOrigin<T> {
  readonly name: MaterialName;
  readonly group: FileGroup;
  /** Throws when the files are not what they should be. */
  readonly parse: (reading: GroupReading) => Parsed<T>;
}

interface Parsed<T> {
  readonly value: T;
  readonly warnings: readonly FileWarning[];
}

async function openMaterial<T>(port: WatchPort, { name, group, parse }: MaterialOrigin<T>): Promise<FileMaterial<T>> {
  return new FileMaterial(name, await openFileGroup({ group, parse, port }));
}

class FileMaterial<T> implements Material<T> {
  readonly cell: SnapshotCell<T>;
  readonly #name: MaterialName;
  readonly #files: WatchedFiles<Parsed<T>>;
  #failure: unknown = null;

  constructor(name: MaterialName, files: WatchedFiles<Parsed<T>>) {
    this.#name = name;
    this.#files = files;
    this.cell = new SnapshotCell(files.initial.value);
  }

  get failure(): unknown {
    return this.#failure;
  }

  follow(events: MaterialEvents): void {
    for (const warning of this.#files.initial.warnings) events.warned(this.#name, warning);
    this.#files.follow((event) => this.#take(event, events));
  }

  close(): void {
    this.#files.close();
  }

  #take(event: ReloadEvent<Parsed<T>>, events: MaterialEvents): void {
    switch (event.kind) {
      case 'loaded':
        this.#failure = null;
        this.cell.swap(event.value.value);
        for (const warning of event.value.warnings) events.warned(this.#name, warning);
        events.reloaded(this.#name);
        return;
      case 'recovered':
        this.#failure = null;
        events.recovered(this.#name);
        return;
      case 'failed':
        this.#failure = event.error;
        events.failed(this.#name, event.error);
    }
  }
}
