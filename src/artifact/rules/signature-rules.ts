// Signatures: whether there is one that holds, whether its maker may speak for the stage, and whether it is of today.

import type { Verdict } from '../../audit/finding.ts';
import { failed, passed, unknown } from '../../audit/verdict.ts';
import { formatRfc3339 } from '../../core/rfc3339.ts';
import { accountOf, type ArtifactRule, artifactRuleInfo, type ArtifactTerms, keyOf } from '../artifact-rule.ts';
import { type Digest, digestEquals, formatDigest } from '../digest.ts';
import { type JudgedRun, type JudgedSubject, verifiedSignatures, type VerifiedAccount } from '../judgement.ts';
import type { Trust } from '../trust.ts';
import { formatSigner, mayPermit } from './permission.ts';
import { findProducers, inputDigests } from './stage-link.ts';

const SIGN_REMEDY =
  'Sign an in-toto statement that names the digest (cosign attest-blob, or an envelope by a key), and name its file as `signature`.';

const SIGNATURE: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-signature',
    title: 'An artifact has no signature that holds',
    severity: 'medium',
    tenets: ['T5', 'T6'],
    help: `A key named \`signature\` is not a signature, and a signature nobody verified is a decoration. Here it is verified, offline: a DSSE envelope or a Sigstore bundle, by a key or root of the policy, whose in-toto statement names the digest of the bytes that are there.

**Fix:** have the stage sign what it makes, and name the file of the bundle or envelope as \`signature\`.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const { subjects } of runs) {
      for (const subject of subjects) {
        // What a stage takes was signed by whoever made it.
        if (subject.artifact.direction === 'output' || subject.signatures.length > 0) yield judgeSignature(subject);
      }
    }
  },
};

function judgeSignature(subject: JudgedSubject): Verdict {
  const { resource, signatures, actual } = subject;
  const [verified] = verifiedSignatures(subject);
  if (verified !== undefined) {
    return passed(resource, verified.at, `signed by ${verified.reading.signers.map(formatSigner).join(', ')}`);
  }
  if (signatures.length === 0) {
    return failed(
      resource,
      accountOf({ detail: 'it has no signature: the key is not there, or empty', remedy: SIGN_REMEDY }),
    );
  }
  const open = signatures.find(({ reading }) => reading.kind === 'unverifiable');
  if (open?.reading.kind === 'unverifiable') {
    return unknown(resource, { at: open.at, reason: open.reading.reason, detail: open.reading.detail });
  }
  const foreign = signatures.find(({ reading }) => reading.kind === 'verified');
  if (foreign !== undefined && actual.kind === 'unknown') {
    return unknown(resource, {
      at: foreign.at,
      reason: actual.reason,
      detail: `what it signs cannot be compared: ${actual.detail}`,
    });
  }
  const [first] = signatures;
  const reading = first?.reading;
  return failed(
    resource,
    accountOf({
      at: (foreign ?? first)?.at ?? [],
      detail:
        foreign === undefined
          ? `its signature does not hold: ${reading?.kind === 'invalid' ? reading.detail : ''}`
          : 'its signature holds, and is of something else: its statement does not name the digest of these bytes',
      key: keyOf('signature', knownOf(subject)),
      remedy: `Do not load it. ${SIGN_REMEDY}`,
      severity: 'critical',
    }),
  );
}

function knownOf({ actual }: JudgedSubject): readonly string[] {
  return actual.kind === 'known' ? actual.digests.map(formatDigest) : [actual.reason];
}

const SIGNER: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-signer',
    title: 'An artifact is signed by somebody who may not sign for its stage',
    severity: 'critical',
    tenets: ['T4', 'T6'],
    help: `Every stage has a key. If any of them counts for all, whoever takes over the weakest stage signs models in the name of training. The policy says who may sign for which stage; what it does not name, nobody may.

**Fix:** list the signers of each stage under \`stages\` in the document given with \`--policy\`; identities are compared whole.`,
  }),
  *evaluate(runs, { trust }): Iterable<Verdict> {
    for (const { subjects } of runs) {
      for (const subject of subjects) {
        if (subject.artifact.direction === 'output' || subject.signatures.length > 0)
          yield* judgeSigner(subject, trust);
      }
    }
  },
};

function* judgeSigner(subject: JudgedSubject, trust: Trust | null): Iterable<Verdict> {
  const { resource, stage, signatures } = subject;
  if (trust === null) {
    yield unknown(resource, {
      at: [],
      reason: 'no-trust',
      detail: 'nobody was told who may sign for which stage; give it with --policy',
    });
    return;
  }
  const permissions = verifiedSignatures(subject).map(({ at, reading }) => ({
    at,
    permission: mayPermit(reading, trust, stage.stage),
  }));
  const permitted = permissions.find(({ permission }) => permission.kind === 'permitted');
  if (permitted?.permission.kind === 'permitted') {
    yield passed(resource, permitted.at, `${permitted.permission.by} may sign for \`${stage.stage}\``);
    return;
  }
  for (const { at, permission } of permissions) {
    if (permission.kind === 'permitted') continue;
    if (permission.kind === 'ambiguous') {
      yield unknown(resource, { at, reason: 'stage-not-signed', detail: permission.detail });
      continue;
    }
    yield failed(
      resource,
      accountOf({
        at,
        key: keyOf('signer', [permission.detail, ...knownOf(subject)]),
        detail: permission.detail,
        remedy:
          'Do not load it before somebody knows why another signs for this stage; if it may, list it among the signers of the stage.',
      }),
    );
  }
  const open = signatures.find(({ reading }) => reading.kind === 'unverifiable');
  if (permissions.length === 0 && open?.reading.kind === 'unverifiable') {
    yield unknown(resource, { at: open.at, reason: open.reading.reason, detail: open.reading.detail });
  }
}

const FRESHNESS: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-freshness',
    title: 'An artifact was taken back, or is older than it may be',
    severity: 'high',
    tenets: ['T4', 'T5'],
    help: `An old model with its good old signature is the quietest of attacks: everything verifies, and last year's hole is back. The policy says how old a signature may be (\`signedWithin\`), since when it counts (\`signedAfter\`), and which digests nobody may load any more (\`revoked\`). The time comes from a transparency log, a timestamp authority, or the signed statement; a file's own date says nothing.

**Fix:** take the current artifact, or move the limit with your eyes open.`,
  }),
  *evaluate(runs, { trust, nowMs }): Iterable<Verdict> {
    for (const { subjects } of runs)
      for (const subject of subjects) yield* judgeFreshness(subject, runs, { trust, nowMs });
  },
};

const CLOCK_SLACK_MS = 5 * 60 * 1000;
const FRESH_REMEDY = 'Take the artifact that the stage makes today; if this one is meant, say so in the policy.';

function* judgeFreshness(
  subject: JudgedSubject,
  runs: readonly JudgedRun[],
  { trust, nowMs }: ArtifactTerms,
): Iterable<Verdict> {
  const { resource, actual, stage } = subject;
  if (trust === null) {
    yield unknown(resource, {
      at: [],
      reason: 'no-trust',
      detail: 'nobody was told what is too old or taken back; give it with --policy',
    });
    return;
  }
  const digests = knownDigests(subject, runs);
  const revoked = trust.document.revoked.find(({ digest }) => digests.some((each) => digestEquals(each, digest)));
  const isOpen = trust.document.revoked.some(({ digest }) =>
    digests.every(({ algorithm }) => algorithm !== digest.algorithm),
  );
  if (revoked === undefined && (digests.length === 0 || isOpen)) {
    const why =
      actual.kind === 'unknown' ? actual : { reason: 'not-computed', detail: 'not all of its digests were computed' };
    yield unknown(resource, { at: [], reason: why.reason, detail: `whether it was taken back: ${why.detail}` });
    return;
  }
  if (revoked !== undefined) {
    const evidence = { digest: formatDigest(revoked.digest), reason: revoked.reason };
    yield failed(
      resource,
      accountOf({
        key: formatDigest(revoked.digest),
        detail: `it was taken back: ${revoked.reason}`,
        remedy: FRESH_REMEDY,
        evidence,
        severity: 'critical',
      }),
    );
    return;
  }
  const terms = trust.document.stages.get(stage.stage);
  const limits = [
    terms?.signedAfterMs ?? null,
    terms?.signedWithinMs === null || terms === undefined ? null : nowMs - terms.signedWithinMs,
  ];
  const floor = Math.max(...limits.map((limit) => limit ?? Number.NEGATIVE_INFINITY));
  const verified = verifiedSignatures(subject).filter(
    ({ reading }) => mayPermit(reading, trust, stage.stage).kind === 'permitted',
  );
  if (floor === Number.NEGATIVE_INFINITY || verified.length === 0) {
    // Without a signature there is no time, and that is another finding.
    if (floor === Number.NEGATIVE_INFINITY) yield passed(resource, [], 'it was not taken back, and may be of any age');
    return;
  }
  yield judgeTime(subject, verified, { floor, nowMs });
}

/** An input that was not copied is what was declared, and what the stage made that made it. */
function knownDigests(subject: JudgedSubject, runs: readonly JudgedRun[]): readonly Digest[] {
  const { actual, artifact } = subject;
  if (actual.kind === 'known' || artifact.direction !== 'input') return actual.kind === 'known' ? actual.digests : [];
  const made = findProducers(subject, runs).flatMap((producer) =>
    producer.actual.kind === 'known' ? producer.actual.digests : [],
  );
  return [...inputDigests(subject), ...made];
}

function judgeTime(
  { resource }: JudgedSubject,
  verified: readonly VerifiedAccount[],
  { floor, nowMs }: { readonly floor: number; readonly nowMs: number },
): Verdict {
  const dated = verified.flatMap(({ at, reading: { signedMs } }) => (signedMs === null ? [] : [{ at, signedMs }]));
  const fresh = dated.find(({ signedMs }) => signedMs >= floor && signedMs <= nowMs + CLOCK_SLACK_MS);
  if (fresh !== undefined) return passed(resource, fresh.at, `signed ${formatRfc3339(fresh.signedMs)}`);
  const [old] = dated;
  if (old === undefined) {
    const detail = 'its signature has no time that anybody vouches for, and the policy limits its age';
    return unknown(resource, { at: verified[0]?.at ?? [], reason: 'no-signed-time', detail });
  }
  const when = formatRfc3339(old.signedMs);
  const detail =
    old.signedMs > nowMs
      ? `it says it was signed ${when}, which is yet to come`
      : `it was signed ${when}, before ${formatRfc3339(floor)}`;
  return failed(
    resource,
    accountOf({ at: old.at, detail, remedy: FRESH_REMEDY, evidence: { signed: when }, key: when }),
  );
}

export const signatureRules: readonly ArtifactRule[] = [SIGNATURE, SIGNER, FRESHNESS];
