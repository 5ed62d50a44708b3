// The entries file of `dev-ca serve`: who gets which identity, and where the bundles of other trust domains are; all problems at once.

import { dirname, resolve } from 'node:path';
import { quote } from '../core/quote.ts';
import { comparePositions, type Problem, type SourcePosition } from '../core/source-position.ts';
import { isDnsName } from '../devca/dns-name.ts';
import { DevCaError } from '../devca/error.ts';
import { parseTtl } from '../devca/ttl.ts';
import {
  type LocatedText,
  type PolicyProblemCode,
  readFilledList,
  readKnownKeys,
  readList,
  readMapping,
  readText,
  readVersion,
  requireEntry,
} from '../policy/fields.ts';
import {
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  type SpiffeId,
  SpiffeIdError,
  type TrustDomain,
  trustDomainOf,
} from '../spiffe/spiffe-id.ts';
import type { AgentEntry } from '../workload-api/server-entries.ts';
import { DocumentError, readYaml, withoutEchoes, type YamlEntry, type YamlNode } from '../yaml/located.ts';

export interface EntriesDocument {
  readonly entries: readonly AgentEntry[];
  /** Absolute paths. */
  readonly federation: ReadonlyMap<TrustDomain, string>;
}

export interface EntriesFile {
  /** Absolute. */
  readonly path: string;
  /** What messages call it. */
  readonly name: string;
}

export interface EntriesContext {
  readonly own: TrustDomain;
  /** Of entries that say nothing else. */
  readonly ttlMs: number;
}

type EntriesProblemCode =
  | 'bad-spiffe-id'
  | 'duplicate-id'
  | 'bad-hint'
  | 'duplicate-hint'
  | 'bad-ttl'
  | 'bad-dns-name'
  | 'bad-trust-domain'
  | 'bad-bundle-file';

type Report = (code: EntriesProblemCode | PolicyProblemCode, message: string, position: SourcePosition) => void;

/** An SVID ends in a whole second: one of a shorter life could end before it is renewed. */
export const MIN_TTL_MS = 2_000;

const MAX_HINT_LENGTH = 1024;

/**
 * Other files that it names are relative to its own directory.
 * @throws {DocumentError} with every problem
 */
export function parseEntriesDocument(source: Uint8Array, file: EntriesFile, context: EntriesContext): EntriesDocument {
  const { root, problems: yamlProblems } = readYaml(source, file.name);
  const problems: Problem[] = [...yamlProblems];
  const report: Report = (code, message, position) => problems.push({ code, message, position });
  const document = readDocument(root, { ...context, file, report });
  if (problems.length === 0) return document;
  const found = withoutEchoes(problems);
  throw new DocumentError(found.toSorted((left, right) => comparePositions(left.position, right.position)));
}

interface Reading extends EntriesContext {
  readonly file: EntriesFile;
  readonly report: Report;
}

const NOTHING: EntriesDocument = { entries: [], federation: new Map() };

function readDocument(root: YamlNode, reading: Reading): EntriesDocument {
  const { report } = reading;
  const mapping = readMapping(root, 'an entries file', report);
  if (mapping === null) return NOTHING;
  const keys = readKnownKeys(mapping, ['version', 'entries', 'federation'], report);
  readVersion(keys, root, report);
  // Nobody has to be said: nothing at all may be a list that somebody has cut off.
  const list = requireEntry(keys, 'entries', { what: 'an entries file', position: root.position, report });
  const federation = keys.get('federation');
  return {
    entries: list === null ? [] : readEntries(list.node, reading),
    federation: federation === undefined ? new Map() : readFederation(federation.node, reading),
  };
}

function readEntries(list: YamlNode, reading: Reading): readonly AgentEntry[] {
  const ids = new Map<string, number>();
  const hints = new Map<string, number>();
  const entries: AgentEntry[] = [];
  for (const node of readList(list, '`entries`', reading.report) ?? []) {
    const entry = readEntry(node, reading, { ids, hints });
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

interface Taken {
  /** The lines they stand on. */
  readonly ids: Map<string, number>;
  readonly hints: Map<string, number>;
}

function readEntry(node: YamlNode, reading: Reading, { ids, hints }: Taken): AgentEntry | null {
  const { report } = reading;
  const mapping = readMapping(node, 'an entry', report);
  if (mapping === null) return null;
  const keys = readKnownKeys(mapping, ['id', 'hint', 'ttl', 'dnsNames'], report);
  const idEntry = requireEntry(keys, 'id', { what: 'an entry', position: mapping.position, report });
  const idText = idEntry === null ? null : readText(idEntry.node, '`id`', report);
  const id = idText === null ? null : readId(idText, reading);
  if (id !== null && idText !== null) claim(id, idText.position, { taken: ids, code: 'duplicate-id', report });
  const hint = readHint(keys.get('hint'), report);
  if (hint !== null) claim(hint.text, hint.position, { taken: hints, code: 'duplicate-hint', report });
  const ttlMs = readTtl(keys.get('ttl'), reading);
  const dnsNames = readDnsNames(keys.get('dnsNames'), report);
  return id === null ? null : { id, hint: hint?.text ?? '', ttlMs, dnsNames };
}

function readId({ text, position }: LocatedText, { own, report }: Reading): SpiffeId | null {
  try {
    const id = parseSpiffeId(text);
    if (trustDomainOf(id) !== own) {
      report('bad-spiffe-id', `${quote(text)} is not of the trust domain ${quote(own)} that is served here`, position);
    } else if (pathOf(id) === '') {
      const advice = 'add a path such as `/training/job-1`';
      report('bad-spiffe-id', `${quote(text)} names a trust domain, not a workload; ${advice}`, position);
    }
    return id;
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error;
    report('bad-spiffe-id', error.message, position);
    return null;
  }
}

function claim(
  value: string,
  position: SourcePosition,
  { taken, code, report }: { taken: Map<string, number>; code: 'duplicate-id' | 'duplicate-hint'; report: Report },
): void {
  const first = taken.get(value);
  if (first !== undefined) {
    report(code, `${quote(value)} stands on line ${first} already; clients could not tell the two apart`, position);
  }
  taken.set(value, first ?? position.line);
}

function readHint(entry: YamlEntry | undefined, report: Report): LocatedText | null {
  const hint = entry === undefined ? null : readText(entry.node, '`hint`', report);
  if (hint === null || (hint.text !== '' && hint.text.length <= MAX_HINT_LENGTH)) return hint;
  const why = hint.text === '' ? 'leave `hint` out for none' : `a hint has at most ${MAX_HINT_LENGTH} characters`;
  report('bad-hint', why, hint.position);
  return null;
}

function readTtl(entry: YamlEntry | undefined, { ttlMs, report }: Reading): number {
  const ttl = entry === undefined ? null : readText(entry.node, '`ttl`', report);
  if (ttl === null) return ttlMs;
  try {
    const ownMs = parseTtl(ttl.text);
    if (ownMs < MIN_TTL_MS)
      report('bad-ttl', `${quote(ttl.text)} is too short a life to be renewed in time; use 2s or more`, ttl.position);
    return ownMs;
  } catch (error) {
    if (!(error instanceof DevCaError)) throw error;
    report('bad-ttl', error.message, ttl.position);
    return ttlMs;
  }
}

function readDnsNames(entry: YamlEntry | undefined, report: Report): readonly string[] {
  const names: string[] = [];
  const nodes = entry === undefined ? null : readFilledList(entry.node, '`dnsNames`', report);
  for (const node of nodes ?? []) {
    const name = readText(node, 'a DNS name', report);
    if (name === null) continue;
    if (!isDnsName(name.text)) report('bad-dns-name', `${quote(name.text)} is not a DNS name`, name.position);
    names.push(name.text);
  }
  return names;
}

function readFederation(node: YamlNode, { own, file, report }: Reading): ReadonlyMap<TrustDomain, string> {
  const federation = new Map<TrustDomain, string>();
  for (const { key, keyPosition, node: value } of readMapping(node, '`federation`', report)?.entries ?? []) {
    const path = readText(value, `the bundle file of ${quote(key)}`, report);
    if (path?.text === '') report('bad-bundle-file', `the bundle file of ${quote(key)} has no name`, path.position);
    try {
      const trustDomain = parseTrustDomain(key);
      if (trustDomain === own) {
        report('bad-trust-domain', `${quote(key)} is served here; its bundle is that of the CA`, keyPosition);
      }
      if (path !== null) federation.set(trustDomain, resolve(dirname(file.path), path.text));
    } catch (error) {
      if (!(error instanceof SpiffeIdError)) throw error;
      report('bad-trust-domain', error.message, keyPosition);
    }
  }
  return federation;
}
