// What the sidecar's decisions rest on, read from files, kept up to date, and swapped whole: identity, trust bundles, policy.

import { SnapshotCell } from '../core/snapshot.ts';
import type { FileGroup, FileWarning, GroupReading } from '../files/file-group.ts';
import {
  ownIdentityGroup,
  parseOwnIdentityFiles,
  parseTrustBundleFiles,
  trustBundleGroup,
} from '../files/identity-files.ts';
import { policyGroup, type PolicyLocation, toPolicySources } from '../files/policy-group.ts';
import { type FileGroupWatch, type ReloadEvent, watchFileGroup, type WatchPort } from '../files/watch-file-group.ts';
import { loadPolicy } from '../policy/load.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { Config } from './config.ts';

export type MaterialName = Parameters<Recorder['reload']>[0];

/** What becomes of the files after the first load; `problem` is for people. */
export interface MaterialEvents {
  readonly warned: (what: MaterialName, warning: FileWarning) => void;
  readonly reloaded: (what: MaterialName) => void;
  readonly failed: (what: MaterialName, error: unknown) => void;
}

/** A value read from files, and why its files can at present not be read, if so. */
export interface Material<T> {
  readonly cell: SnapshotCell<T>;
  /** The failure of the last reload, or null when the files are as loaded. */
  readonly failure: unknown;
  close(): void;
}

export interface Materials {
  readonly identity: Material<OwnIdentity>;
  readonly trust: Material<TrustBundles>;
  readonly policy: Material<CompiledPolicy>;
  close(): void;
}

/**
 * Loads everything once and watches it from then on.
 * @throws what the first load of any of them fails with.
 */
export async function openMaterials(
  config: Config,
  from: { readonly builtinProtocols: string; readonly port: WatchPort; readonly events: MaterialEvents },
): Promise<Materials> {
  const { trustDomain, identity: source } = config;
  const opened: { close(): void }[] = [];
  const open = async <T>(origin: MaterialOrigin<T>): Promise<Material<T>> => {
    const material = await openMaterial(origin, from);
    opened.push(material);
    return material;
  };
  const close = (): void => {
    for (const material of opened) material.close();
  };
  try {
    const identity = await open<OwnIdentity>({
      name: 'identity',
      group: ownIdentityGroup(source.files),
      parse: (reading) => {
        const { identity, warnings } = parseOwnIdentityFiles(reading, source.files, trustDomain);
        return { value: identity, warnings };
      },
    });
    const trust = await open<TrustBundles>({
      name: 'trust-bundle',
      group: trustBundleGroup(source.files.trustBundles),
      parse: (reading) => ({
        value: parseTrustBundleFiles(reading, source.files.trustBundles),
        warnings: reading.warnings,
      }),
    });
    const location: PolicyLocation = { path: config.policy.path, builtinProtocols: from.builtinProtocols };
    const policy = await open<CompiledPolicy>({
      name: 'policy',
      group: policyGroup(location),
      parse: (reading) => ({
        value: loadPolicy(toPolicySources(reading, location), config.policy.mode),
        warnings: reading.warnings,
      }),
    });
    return { identity, trust, policy, close };
  } catch (error) {
    close();
    throw error;
  }
}

interface MaterialOrigin<T> {
  readonly name: MaterialName;
  readonly group: FileGroup;
  /** Throws when the files are not what they should be. */
  readonly parse: (reading: GroupReading) => { readonly value: T; readonly warnings: readonly FileWarning[] };
}

async function openMaterial<T>(
  origin: MaterialOrigin<T>,
  from: { readonly port: WatchPort; readonly events: MaterialEvents },
): Promise<Material<T>> {
  const { name, group, parse } = origin;
  let cell: SnapshotCell<T> | null = null;
  let failure: unknown = null;
  const report = (event: ReloadEvent): void => {
    failure = event.kind === 'failed' ? event.error : null;
    if (event.kind === 'failed') from.events.failed(name, event.error);
    else from.events.reloaded(name);
  };
  const load = (reading: GroupReading): void => {
    const { value, warnings } = parse(reading);
    for (const warning of warnings) from.events.warned(name, warning);
    if (cell === null) cell = new SnapshotCell(value);
    else cell.swap(value);
  };
  const watch: FileGroupWatch = await watchFileGroup({ group, load, report, port: from.port });
  const loaded: SnapshotCell<T> | null = cell;
  if (loaded === null) throw new Error('a group of files was watched before it was loaded');
  return {
    cell: loaded,
    get failure() {
      return failure;
    },
    close: () => watch.close(),
  };
}
