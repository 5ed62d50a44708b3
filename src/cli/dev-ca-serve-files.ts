// The files that `dev-ca serve` follows: entries, and the bundles of other trust domains that they and the command line name.

import { isDeepStrictEqual } from 'node:util';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { parseTrustBundleFiles, trustBundleGroup, type TrustBundleFiles } from '../files/identity-files.ts';
import { openFileGroup, type ReloadEvent, type WatchedFiles, type WatchPort } from '../files/watch-file-group.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import type { AgentEntry } from '../workload-api/server-entries.ts';
import {
  type EntriesContext,
  type EntriesDocument,
  type EntriesFile,
  parseEntriesDocument,
} from './dev-ca-serve-entries.ts';

export interface AgentFilesSource {
  /** What the command line says; holds beside the file. */
  readonly fixed: EntriesDocument;
  readonly entriesFile: EntriesFile | null;
  readonly context: EntriesContext;
  readonly port: WatchPort;
}

export type AgentFilesEvent =
  | { readonly kind: 'entries'; readonly entries: readonly AgentEntry[] }
  | { readonly kind: 'bundles'; readonly bundles: TrustBundles }
  /** What was read before holds. */
  | { readonly kind: 'failed'; readonly error: SallyportError<string> }
  | { readonly kind: 'recovered' };

class AgentFilesError extends SallyportError<'given-twice'> {}

const RETRY_MS = 1_000;
const NO_BUNDLES: TrustBundles = new Map();

/** @throws {DocumentError | FileError | TrustBundleFilesError | AgentFilesError} */
export async function openAgentFiles(source: AgentFilesSource): Promise<AgentFiles> {
  const entries = await openEntries(source);
  const document = entries?.initial ?? source.fixed;
  return new AgentFiles(source, { entries, document, bundles: await openBundles(document.federation, source.port) });
}

interface Opened {
  readonly entries: WatchedFiles<EntriesDocument> | null;
  readonly document: EntriesDocument;
  readonly bundles: WatchedFiles<TrustBundles> | null;
}

export class AgentFiles {
  readonly #port: WatchPort;
  readonly #entries: WatchedFiles<EntriesDocument> | null;
  readonly #initialEntries: readonly AgentEntry[];
  #federation: TrustBundleFiles;
  #watched: WatchedFiles<TrustBundles> | null;
  #bundles: TrustBundles;
  #report: (event: AgentFilesEvent) => void = () => undefined;
  #cancelRetry: (() => void) | null = null;
  #isClosed = false;

  constructor({ port }: AgentFilesSource, { entries, document, bundles }: Opened) {
    this.#port = port;
    this.#entries = entries;
    this.#initialEntries = document.entries;
    this.#federation = document.federation;
    this.#watched = bundles;
    this.#bundles = bundles?.initial ?? NO_BUNDLES;
  }

  /** As they were when the files were opened. */
  get initialEntries(): readonly AgentEntry[] {
    return this.#initialEntries;
  }

  get bundles(): TrustBundles {
    return this.#bundles;
  }

  /** Tells of changes from now on. To be called once. */
  follow(report: (event: AgentFilesEvent) => void): void {
    this.#report = report;
    this.#entries?.follow((event) => this.#takeEntries(event));
    this.#watched?.follow((event) => this.#takeBundles(event));
  }

  close(): void {
    this.#isClosed = true;
    this.#entries?.close();
    this.#watched?.close();
    this.#cancelRetry?.();
  }

  #takeEntries(event: ReloadEvent<EntriesDocument>): void {
    if (event.kind !== 'loaded') {
      this.#tell(event);
      return;
    }
    const { entries, federation } = event.value;
    this.#report({ kind: 'entries', entries });
    if (isDeepStrictEqual(federation, this.#federation)) return;
    this.#federation = federation;
    this.#watched?.close();
    this.#watched = null;
    this.#cancelRetry?.();
    // Who is no longer named is no longer trusted, whatever becomes of the files of the others.
    this.#serve(new Map([...this.#bundles].filter(([trustDomain]) => federation.has(trustDomain))));
    void this.#open(federation, null);
  }

  /** `told` is the failure that has been told already. */
  async #open(federation: TrustBundleFiles, told: string | null): Promise<void> {
    let opened: WatchedFiles<TrustBundles> | null = null;
    let failure: SallyportError<string> | null = null;
    try {
      opened = await openBundles(federation, this.#port);
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      failure = error;
    }
    if (this.#isClosed || federation !== this.#federation) return;
    if (failure !== null) {
      const { message } = failure;
      if (message !== told) this.#report({ kind: 'failed', error: failure });
      this.#cancelRetry = this.#port.schedule(RETRY_MS, () => void this.#open(federation, message));
      return;
    }
    this.#watched = opened;
    this.#serve(opened?.initial ?? NO_BUNDLES);
    opened?.follow((event) => this.#takeBundles(event));
  }

  #takeBundles(event: ReloadEvent<TrustBundles>): void {
    if (event.kind === 'loaded') this.#serve(event.value);
    else this.#tell(event);
  }

  #serve(bundles: TrustBundles): void {
    if (bundles.size === 0 && this.#bundles.size === 0) return;
    this.#bundles = bundles;
    this.#report({ kind: 'bundles', bundles });
  }

  #tell(event: Exclude<ReloadEvent<unknown>, { readonly kind: 'loaded' }>): void {
    if (event.kind === 'recovered') this.#report(event);
    else if (event.error instanceof SallyportError) this.#report({ kind: 'failed', error: event.error });
    else throw event.error;
  }
}

async function openEntries({
  entriesFile,
  fixed,
  context,
  port,
}: AgentFilesSource): Promise<WatchedFiles<EntriesDocument> | null> {
  if (entriesFile === null) return null;
  return openFileGroup({
    group: { paths: [entriesFile.path], accepts: null },
    parse: ({ files }) => {
      const contents = files.map(({ bytes }) => bytes);
      return joined(fixed, parseEntriesDocument(Buffer.concat(contents), entriesFile, context), entriesFile.name);
    },
    port,
  });
}

async function openBundles(federation: TrustBundleFiles, port: WatchPort): Promise<WatchedFiles<TrustBundles> | null> {
  if (federation.size === 0) return null;
  const parse = (reading: Parameters<typeof parseTrustBundleFiles>[0]): TrustBundles =>
    parseTrustBundleFiles(reading, federation);
  return openFileGroup({ group: trustBundleGroup(federation), parse, port });
}

/** @throws {AgentFilesError} when both name the same */
function joined(fixed: EntriesDocument, document: EntriesDocument, name: string): EntriesDocument {
  const entries = [...fixed.entries, ...document.entries];
  for (const { id } of fixed.entries) {
    if (document.entries.some((entry) => entry.id === id)) {
      throw new AgentFilesError('given-twice', `${name}: ${quote(id)} is given with --id already`);
    }
  }
  for (const trustDomain of fixed.federation.keys()) {
    if (document.federation.has(trustDomain)) {
      throw new AgentFilesError('given-twice', `${name}: ${quote(trustDomain)} is given with --federate already`);
    }
  }
  return { entries, federation: new Map([...fixed.federation, ...document.federation]) };
}
