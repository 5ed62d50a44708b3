// Digests: whether there are any worth having, whether the bytes have them, and who says so.

import type { Verdict } from '../../audit/finding.ts';
import { failed, passed, unknown } from '../../audit/verdict.ts';
import { accountOf, type ArtifactRule, artifactRuleInfo, firstOf, keyOf } from '../artifact-rule.ts';
import { digestEquals, formatDigest, hexEquals } from '../digest.ts';
import {
  compareDigest,
  type Comparison,
  fileDigests,
  type JudgedRun,
  type JudgedSubject,
  verifiedSignatures,
} from '../judgement.ts';
import { isContentNamed } from '../plan.ts';
import { join, nameOf, type TreeFile } from '../run-tree.ts';
import type { DeclaredDigest } from '../stage-metadata.ts';
import { refToFile } from '../subject.ts';
import type { Trust } from '../trust.ts';
import { mayPermit } from './permission.ts';
import { findProducers } from './stage-link.ts';

const MISSING: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-hash-missing',
    title: 'An artifact has no digest',
    severity: 'high',
    help: `Without a digest nobody can tell whether the bytes are the ones that the stage made: whoever controls an earlier stage, or the storage, puts others there.

**Fix:** write \`"sha256": "<64 hexadecimal digits>"\` beside the path; of a directory, the digest of its sorted list (\`cd DIR && find -L . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum\`), or \`files\` with one digest each.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const { subjects } of runs) {
      for (const { resource, artifact, place } of subjects) {
        const listed = artifact.files ?? [];
        // Of a single file no list is compared.
        const isListed =
          place.kind === 'directory' && listed.length > 0 && listed.every(({ digests }) => digests.some(isComparable));
        if (artifact.digests.some(isComparable) || isListed) {
          yield passed(resource, [], 'it has a digest');
          continue;
        }
        const [first] = artifact.digests;
        const weak = first?.reading.kind === 'weak';
        if (weak) continue;
        yield failed(
          resource,
          accountOf({
            detail:
              first?.reading.kind === 'malformed'
                ? `\`${first.key}\` is no digest: ${first.reading.detail}`
                : listed.length > 0 && place.kind !== 'directory'
                  ? 'it has `files` and is no directory, so that no digest is compared'
                  : 'it has no digest, or an empty one',
            remedy: 'Have the stage that makes it write its sha256, and sign a statement over it.',
          }),
        );
      }
    }
  },
};

function isComparable({ reading }: DeclaredDigest): boolean {
  return reading.kind === 'digest' || reading.kind === 'unsupported';
}

const WEAK: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-hash-weak',
    title: 'An artifact is told by MD5 or SHA-1',
    severity: 'high',
    help: `Two files with one MD5 take seconds to make, with one SHA-1 a budget. Whoever makes the artifact can make its twin, have the one approved and load the other.

**Fix:** SHA-256, SHA-384, SHA-512 or BLAKE2b.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const { subjects } of runs) {
      for (const { resource, artifact } of subjects) {
        for (const { key, at, reading } of allDigests(artifact)) {
          if (reading.kind === 'weak') {
            yield failed(
              resource,
              accountOf({
                at: at.slice(artifact.at.length),
                detail: `\`${key}\` is by ${reading.algorithm}, for which two files with one digest can be made; it was not compared`,
                remedy: 'Replace it by sha256.',
              }),
            );
          } else if (reading.kind === 'digest')
            yield passed(resource, at.slice(artifact.at.length), 'its digest is by a strong algorithm');
        }
      }
    }
  },
};

function allDigests({ digests, files }: JudgedSubject['artifact']): readonly DeclaredDigest[] {
  return [...digests, ...(files ?? []).flatMap((file) => file.digests)];
}

const MISMATCH: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-hash-mismatch',
    title: 'An artifact is not what its digest says',
    severity: 'critical',
    help: `The bytes were changed after the digest was written, or the digest was written for others. Either way nobody vouches for what is there.

**Fix:** do not load it. Take it from where it was made, and find out who could write in between.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const judged of runs) {
      for (const subject of judged.subjects) yield* compare(judged, subject);
      yield* compareCaches(judged);
    }
  },
};

const MISMATCH_REMEDY =
  'Do not load it; restore the artifact from where it was made, and find out who could write here.';

function* compare({ run }: JudgedRun, subject: JudgedSubject): Iterable<Verdict> {
  const { resource, artifact, place, actual } = subject;
  if (place.kind === 'missing' || place.kind === 'escape') return;
  for (const declared of artifact.digests) {
    const comparison = compareDigest(declared, actual);
    if (comparison !== null) yield judge(subject, declared, comparison);
  }
  if (place.kind !== 'directory' || artifact.files === null) return;
  const listed = new Set<string>();
  for (const { path, at, digests } of artifact.files) {
    const below = path.replace(/^(?:\.\/)+/, '');
    listed.add(below);
    const target = place.files.find((file) => file.path === below)?.target;
    if (target === undefined) continue;
    for (const declared of digests) {
      const comparison = compareDigest(declared, fileDigests(run, target));
      if (comparison !== null) yield judge(subject, declared, comparison, below);
    }
    if (digests.some(isComparable)) continue;
    const account = {
      at: at.slice(artifact.at.length),
      reason: 'no-digest',
      detail: `\`${path}\` has no digest that could be compared`,
    };
    if (!artifact.digests.some(isComparable)) yield unknown(resource, account);
  }
  const extra = place.files.map(({ path }) => path).filter((path) => !listed.has(path));
  // A digest of the whole directory tells them as well.
  if (extra.length === 0 || artifact.digests.some(isComparable)) return;
  yield failed(
    resource,
    accountOf({
      at: ['files'],
      detail: `${extra.length} files lie in the directory that its list does not have`,
      remedy: 'Whoever loads the directory loads them too: list them with their digests, or take them out.',
      evidence: { files: firstOf(extra.map((path) => join(artifact.path, path))) },
      severity: 'high',
      key: keyOf(
        'unlisted',
        extra.map((path) => `${path} ${digestOf(run, place.files, path)}`),
      ),
    }),
  );
}

function digestOf(run: JudgedRun['run'], files: readonly TreeFile[], path: string): string {
  const target = files.find((file) => file.path === path)?.target;
  const actual = target === undefined ? null : fileDigests(run, target);
  return actual?.kind === 'known' ? actual.digests.map(formatDigest).join(' ') : '';
}

function judge(
  { resource, artifact }: JudgedSubject,
  { at }: DeclaredDigest,
  comparison: Comparison,
  file: string | null = null,
): Verdict {
  const place = at.slice(artifact.at.length);
  const what = file === null ? 'the bytes' : `the bytes of \`${file}\``;
  switch (comparison.kind) {
    case 'match':
      return passed(resource, place, `${what} have this digest; nothing is said of when they are loaded`);
    case 'unknown':
      return unknown(resource, { at: place, reason: comparison.reason, detail: comparison.detail });
    case 'mismatch':
      return failed(
        resource,
        accountOf({
          at: place,
          key: `${file ?? ''} ${comparison.actual}`,
          detail: `${what} have another digest than was declared`,
          remedy: MISMATCH_REMEDY,
          evidence: {
            expected: formatDigest(comparison.expected),
            actual: `${comparison.expected.algorithm}:${comparison.actual}`,
          },
        }),
      );
  }
}

/** The Hugging Face cache names big files by their content. */
function* compareCaches({ run }: JudgedRun): Iterable<Verdict> {
  for (const [path, entry] of run.entries) {
    if (entry.kind !== 'file' || !isContentNamed(path)) continue;
    const resource = refToFile(run, path, 1);
    const actual = fileDigests(run, path);
    const computed =
      actual.kind === 'known' ? actual.digests.find(({ algorithm }) => algorithm === 'sha256')?.hex : undefined;
    if (actual.kind === 'unknown' || computed === undefined) {
      const reason = actual.kind === 'unknown' ? actual.reason : 'not-computed';
      yield unknown(resource, {
        at: [],
        reason,
        detail: actual.kind === 'unknown' ? actual.detail : 'its digest was not computed',
      });
    } else if (hexEquals(computed, nameOf(path)))
      yield passed(resource, [], 'its content has the digest that it is named by');
    else {
      const evidence = { expected: `sha256:${nameOf(path)}`, actual: `sha256:${computed}` };
      yield failed(
        resource,
        accountOf({
          detail: 'its content has another digest than the cache names it by',
          remedy: MISMATCH_REMEDY,
          evidence,
          key: computed,
        }),
      );
    }
  }
}

const SELF_ASSERTED: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-hash-self-asserted',
    title: 'A digest is vouched for by nobody',
    severity: 'medium',
    help: `A digest that lies beside the artifact is written by whoever can write the artifact: it finds accidents, and no attacker. It counts when somebody trusted signed it, when it is the output of a stage whose signature was verified, or when the policy lists it.

**Fix:** sign an in-toto statement with the digest (\`cosign attest-blob\`), name it as \`signature\`, and give the trusted keys with \`--policy\`.`,
  }),
  *evaluate(runs, { trust }): Iterable<Verdict> {
    for (const { subjects } of runs) {
      for (const subject of subjects) {
        const { resource, artifact, signatures, actual } = subject;
        const compared = allDigests(artifact).filter(isComparable);
        if (compared.length === 0) continue;
        const vouchers = artifact.direction === 'input' ? [subject, ...findProducers(subject, runs)] : [subject];
        const listed = trust?.document.external ?? [];
        const isExternal =
          actual.kind === 'known' &&
          listed.some(({ digest }) => actual.digests.some((each) => digestEquals(each, digest)));
        if (isExternal || vouchers.some((voucher) => isVouchedFor(voucher, trust))) {
          yield passed(resource, [], 'somebody who is trusted vouches for its digest');
          continue;
        }
        const ambiguous = vouchers.flatMap((voucher) => ambiguityOf(voucher, trust) ?? [])[0];
        if (ambiguous !== undefined) {
          yield unknown(resource, { at: [], reason: 'stage-not-signed', detail: ambiguous });
          continue;
        }
        const open = vouchers
          .flatMap((voucher) => voucher.signatures)
          .find(({ reading }) => reading.kind === 'unverifiable');
        if (open?.reading.kind === 'unverifiable') {
          yield unknown(resource, {
            at: [],
            reason: open.reading.reason,
            detail: `whether its digest is signed: ${open.reading.detail}`,
          });
          continue;
        }
        yield failed(
          resource,
          accountOf({
            detail:
              signatures.length === 0
                ? 'its digest stands beside it, unsigned: whoever changes the one changes the other'
                : 'no signature that counts covers its digest: whoever changes the artifact changes that as well',
            remedy:
              'Sign a statement over the digest with a key that the storage does not hold, and name its signer in the policy.',
          }),
        );
      }
    }
  },
};

function isVouchedFor(subject: JudgedSubject, trust: Trust | null): boolean {
  return (
    trust !== null &&
    verifiedSignatures(subject).some(
      (account) => mayPermit(account.reading, trust, subject.stage.stage).kind === 'permitted',
    )
  );
}

function ambiguityOf(subject: JudgedSubject, trust: Trust | null): string | null {
  if (trust === null) return null;
  const permissions = verifiedSignatures(subject).map(({ reading }) => mayPermit(reading, trust, subject.stage.stage));
  return permissions.find((permission) => permission.kind === 'ambiguous')?.detail ?? null;
}

export const digestRules: readonly ArtifactRule[] = [MISMATCH, MISSING, WEAK, SELF_ASSERTED];
