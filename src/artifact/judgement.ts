// What holds of each artifact, worked out once for all rules: its digests, its signatures, and what it was made from.

import type { Path } from '../audit/path.ts';
import { type Digest, DIGEST_ALGORITHMS, digestEquals, type DigestAlgorithm, hexEquals } from './digest.ts';
import type { Run } from './run.ts';
import { indexChildren, type RunChildren } from './run-tree.ts';
import { type SignatureReading, verifySignature } from './signature.ts';
import type { DeclaredDigest, DeclaredSignature } from './stage-metadata.ts';
import { findSubjects, placeOf, type Subject } from './subject.ts';
import { treeDigest } from './tree-digest.ts';
import type { Trust } from './trust.ts';

export type Unknown = { readonly kind: 'unknown'; readonly reason: string; readonly detail: string };

/** Of the bytes that are there. */
export type ActualDigests = { readonly kind: 'known'; readonly digests: readonly Digest[] } | Unknown;

export interface SignatureAccount {
  readonly at: Path;
  readonly reading: SignatureReading;
  /** Whether its statement names the digest of the bytes that are there. */
  readonly isOfArtifact: boolean;
}

export interface JudgedSubject extends Subject {
  readonly actual: ActualDigests;
  readonly signatures: readonly SignatureAccount[];
}

export interface JudgedRun {
  readonly run: Run;
  readonly children: RunChildren;
  readonly subjects: readonly JudgedSubject[];
}

export function judgeRun(run: Run, trust: Trust | null): JudgedRun {
  const children = indexChildren(run.entries);
  const subjects = findSubjects(run, children).map((subject) => {
    const actual = actualDigests(run, subject);
    return { ...subject, actual, signatures: signaturesOf({ run, children, trust }, subject, actual) };
  });
  return { run, children, subjects };
}

export type Comparison =
  | { readonly kind: 'match'; readonly digest: Digest }
  | { readonly kind: 'mismatch'; readonly expected: Digest; readonly actual: string }
  | Unknown;

/** A declared digest and the bytes; null when it is none that could be compared, which other rules say. */
export function compareDigest({ reading }: DeclaredDigest, actual: ActualDigests): Comparison | null {
  if (reading.kind === 'unsupported') {
    return {
      kind: 'unknown',
      reason: 'unsupported-digest',
      detail: `a digest by ${reading.algorithm}, which is not computed here`,
    };
  }
  if (reading.kind !== 'digest') return null;
  if (actual.kind === 'unknown') return actual;
  const pairs = reading.candidates.map((expected) => ({
    expected,
    computed: actual.digests.find(({ algorithm }) => algorithm === expected.algorithm)?.hex,
  }));
  const match = pairs.find(({ expected, computed }) => computed !== undefined && hexEquals(expected.hex, computed));
  if (match !== undefined) return { kind: 'match', digest: match.expected };
  const [first] = pairs;
  if (first === undefined || pairs.some(({ computed }) => computed === undefined)) {
    return { kind: 'unknown', reason: 'not-computed', detail: 'its digest was not computed' };
  }
  return { kind: 'mismatch', expected: first.expected, actual: first.computed ?? '' };
}

/** Of one file. */
export function fileDigests(run: Run, path: string): ActualDigests {
  const facts = run.files.get(path);
  if (facts === undefined) return { kind: 'unknown', reason: 'unreadable-file', detail: `\`${path}\` was not read` };
  if (facts.kind !== 'read') {
    const reason = facts.kind === 'changed' ? 'changed' : 'unreadable-file';
    return { kind: 'unknown', reason, detail: `\`${path}\`: ${facts.detail}` };
  }
  return {
    kind: 'known',
    digests: DIGEST_ALGORITHMS.flatMap((algorithm) => {
      const hex = facts.digests[algorithm];
      return hex === undefined ? [] : [{ algorithm, hex }];
    }),
  };
}

export function verifiedSignatures({ signatures }: JudgedSubject): readonly VerifiedAccount[] {
  return signatures.flatMap(({ at, reading, isOfArtifact }) =>
    reading.kind === 'verified' && isOfArtifact ? [{ at, reading }] : [],
  );
}

export interface VerifiedAccount {
  readonly at: Path;
  readonly reading: Extract<SignatureReading, { kind: 'verified' }>;
}

function actualDigests(run: Run, { place }: Subject): ActualDigests {
  switch (place.kind) {
    case 'file':
      return fileDigests(run, place.path);
    case 'directory':
      return directoryDigests(run, place.files);
    case 'escape':
      return { kind: 'unknown', reason: 'not-looked-at', detail: place.detail };
    case 'missing':
      return { kind: 'unknown', reason: 'missing', detail: 'there is no such file' };
    case 'unknown':
      return place;
  }
}

function directoryDigests(run: Run, files: Extract<Subject['place'], { kind: 'directory' }>['files']): ActualDigests {
  if (files.length === 0) return { kind: 'unknown', reason: 'empty', detail: 'the directory holds no file' };
  const each = files.map(({ path, target }) => ({ path, actual: fileDigests(run, target) }));
  const unknown = each.find(({ actual }) => actual.kind === 'unknown')?.actual;
  if (unknown?.kind === 'unknown') return unknown;
  const digests = DIGEST_ALGORITHMS.flatMap((algorithm) => {
    const lines = each.flatMap(({ path, actual }) => {
      const hex = actual.kind === 'known' ? hexOf(actual.digests, algorithm) : null;
      return hex === null ? [] : [{ path, hex }];
    });
    const hex = lines.length === each.length ? treeDigest(lines, algorithm) : null;
    return hex === null ? [] : [{ algorithm, hex }];
  });
  if (digests.length > 0) return { kind: 'known', digests };
  return { kind: 'unknown', reason: 'not-computed', detail: 'a name in it holds a line break or a backslash' };
}

function hexOf(digests: readonly Digest[], wanted: DigestAlgorithm): string | null {
  return digests.find(({ algorithm }) => algorithm === wanted)?.hex ?? null;
}

interface SignatureTerms {
  readonly run: Run;
  readonly children: RunChildren;
  readonly trust: Trust | null;
}

function signaturesOf(terms: SignatureTerms, subject: Subject, actual: ActualDigests): readonly SignatureAccount[] {
  return subject.artifact.signatures.map((signature) => {
    const reading = readSignature(terms, subject, signature);
    const isOfArtifact =
      reading.kind === 'verified' &&
      actual.kind === 'known' &&
      reading.statement.subjects.some((named) =>
        named.every((digest) => actual.digests.some((each) => digestEquals(digest, each))),
      );
    return { at: signature.at.slice(subject.artifact.at.length), reading, isOfArtifact };
  });
}

function readSignature(
  { run, children, trust }: SignatureTerms,
  { stage }: Subject,
  signature: DeclaredSignature,
): SignatureReading {
  if (signature.kind === 'inline') return verifySignature(signature.value, trust);
  const place = placeOf(run, children, { declared: signature.text, file: stage.file });
  const known = place.kind === 'file' ? run.signatures.get(place.path) : undefined;
  if (known !== undefined) return known;
  return place.kind === 'file'
    ? { kind: 'unverifiable', reason: 'unreadable-signature', detail: 'the file of the signature could not be read' }
    : { kind: 'invalid', detail: 'it is neither an envelope nor the path of one in the run' };
}
