// Which files need which digests, known before any of them is read.

import type { DigestAlgorithm } from './digest.ts';
import { indexChildren, nameOf, parentOf } from './run-tree.ts';
import type { Run } from './run.ts';
import { verifySignature } from './signature.ts';
import type { DeclaredDigest } from './stage-metadata.ts';
import { findSubjects, placeOf } from './subject.ts';
import type { Trust } from './trust.ts';

export type HashPlan = ReadonlyMap<string, ReadonlySet<DigestAlgorithm>>;

/** Of a run whose files were not read yet. Also of what the trust document lists, by its algorithms. */
export function planHashes(run: Run, trust: Trust | null): HashPlan {
  const plan = new Map<string, Set<DigestAlgorithm>>();
  const listed = [...(trust?.document.external ?? []), ...(trust?.document.revoked ?? [])];
  const always = new Set<DigestAlgorithm>(['sha256', ...listed.map(({ digest }) => digest.algorithm)]);
  const add = (path: string, algorithms: Iterable<DigestAlgorithm>): void => {
    const known = plan.get(path) ?? new Set(always);
    for (const algorithm of algorithms) known.add(algorithm);
    plan.set(path, known);
  };
  const inline = run.stages.flatMap(({ artifacts }) =>
    artifacts.flatMap(({ signatures }) =>
      signatures.flatMap((signature) => (signature.kind === 'inline' ? [verifySignature(signature.value, trust)] : [])),
    ),
  );
  const signed = [...run.signatures.values(), ...inline].flatMap((reading) =>
    reading.kind === 'verified' ? reading.statement.subjects.flat().map(({ algorithm }) => algorithm) : [],
  );
  for (const { artifact, place } of findSubjects(run, indexChildren(run.entries))) {
    const wanted = [
      ...signed,
      ...algorithmsOf(artifact.digests),
      ...(artifact.files ?? []).flatMap((file) => algorithmsOf(file.digests)),
    ];
    if (place.kind === 'file') add(place.path, wanted);
    if (place.kind === 'directory') for (const { target } of place.files) add(target, wanted);
  }
  for (const [path, entry] of run.entries) if (entry.kind === 'file' && isContentNamed(path)) add(path, []);
  return plan;
}

/** Files that metadata names as signatures, to be read before anything is hashed. */
export function findSignatureFiles(run: Run): readonly string[] {
  const children = indexChildren(run.entries);
  const paths = run.stages.flatMap(({ artifacts, file }) =>
    artifacts.flatMap(({ signatures }) =>
      signatures.flatMap((signature) => {
        if (signature.kind !== 'text') return [];
        const place = placeOf(run, children, { declared: signature.text, file });
        return place.kind === 'file' ? [place.path] : [];
      }),
    ),
  );
  return [...new Set(paths)];
}

/** A file of a Hugging Face cache that is named by the SHA-256 of its content. */
export function isContentNamed(path: string): boolean {
  const home = parentOf(path);
  return (
    /^[0-9a-f]{64}$/.test(nameOf(path)) &&
    nameOf(home) === 'blobs' &&
    /^(?:models|datasets|spaces)--/.test(nameOf(parentOf(home)))
  );
}

function algorithmsOf(digests: readonly DeclaredDigest[]): readonly DigestAlgorithm[] {
  return digests.flatMap(({ reading }) =>
    reading.kind === 'digest' ? reading.candidates.map(({ algorithm }) => algorithm) : [],
  );
}
