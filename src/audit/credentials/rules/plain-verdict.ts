// Verdicts about a credential in plain text, in which it is not.

import type { Json, Judgement, Remediation, ResourceRef, Severity } from '../../finding.ts';
import { failed } from '../../verdict.ts';
import { describeDetection, type Detection } from '../detection.ts';
import type { PlainCredential } from '../plain-places.ts';

export interface PlainAccount {
  readonly resource: ResourceRef;
  readonly plain: PlainCredential;
  /** Among the credentials of its place, from 0. */
  readonly index: number;
  /** "container `trainer`", "ConfigMap". */
  readonly holder: string;
  readonly evidence: Readonly<Record<string, Json>>;
  readonly remediation: Remediation;
  readonly nowMs: number;
}

export function failedOverPlain(account: PlainAccount): Judgement {
  const { resource, plain, index, holder, evidence, remediation, nowMs } = account;
  const { detection, place, at } = plain;
  const state = isExpired(detection, nowMs) ? ', which has expired' : '';
  const line = detection.line > 1 ? `, line ${detection.line}` : '';
  return failed(resource, {
    at,
    detail: `${place}${line} of ${holder} holds ${detection.title}${state}`,
    evidence: { ...describeDetection(detection), ...(line === '' ? {} : { line: detection.line }), ...evidence },
    remediation,
    severity: severityOf(detection, nowMs),
    key: `${detection.kind} ${index}`,
  });
}

function severityOf(detection: Detection, nowMs: number): Severity {
  if (isExpired(detection, nowMs)) return 'low';
  if (detection.isLimited || PUBLIC_HALVES.has(detection.kind) || detection.kind === 'high-entropy') return 'medium';
  return detection.basis === 'format' && !CHOSEN.has(detection.kind) ? 'critical' : 'high';
}

/** What names a credential, and is none by itself. */
const PUBLIC_HALVES = new Set(['aws-access-key-id', 'alibaba-access-key-id']);
/** Told by their place in an address or header, and as often made up for a test as not. */
const CHOSEN = new Set(['url-password', 'url-token', 'basic-auth', 'netrc-password']);

function isExpired({ expiresMs }: Detection, nowMs: number): boolean {
  return expiresMs !== null && expiresMs <= nowMs;
}

/** Of one place at most so many: a file of a thousand passwords is one thing to do. */
const MAX_PER_PLACE = 20;

/** Each with its index among those of its place. */
export function byPlace(
  credentials: readonly PlainCredential[],
): readonly { readonly plain: PlainCredential; readonly index: number }[] {
  const counts = new Map<string, number>();
  return credentials.flatMap((plain) => {
    const place = JSON.stringify(plain.at);
    const index = counts.get(place) ?? 0;
    counts.set(place, index + 1);
    return index < MAX_PER_PLACE ? [{ plain, index }] : [];
  });
}
