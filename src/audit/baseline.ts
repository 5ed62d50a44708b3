// An earlier report, against which only what is new counts.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { own } from './kube-object.ts';

export class BaselineError extends SallyportError<'not-json' | 'not-a-report'> {}

export interface Baseline {
  /** Fingerprints of what failed. What nobody could judge is not known, however often it was so before. */
  readonly failures: ReadonlySet<string>;
}

/**
 * Reads a report in JSON.
 * @throws {BaselineError} when it is none of ours: a baseline half read would make old findings new, or new ones old.
 */
export function parseBaseline(source: Uint8Array, file: string): Baseline {
  const findings = own(parseJson(source, file), 'findings');
  if (!Array.isArray(findings)) {
    throw new BaselineError('not-a-report', `${quote(file)} has no list \`findings\`; a baseline is a report in JSON`);
  }
  const failures = new Set<string>();
  for (const [index, finding] of findings.entries()) {
    const verdict = own(finding, 'verdict');
    const fingerprint = own(finding, 'fingerprint');
    const isKnown = verdict === 'pass' || verdict === 'fail' || verdict === 'unknown';
    if (!isKnown || typeof fingerprint !== 'string' || !FINGERPRINT.test(fingerprint)) {
      throw new BaselineError('not-a-report', `${quote(file)}: finding ${index} has no verdict and fingerprint`);
    }
    if (verdict === 'fail') failures.add(fingerprint);
  }
  return { failures };
}

const FINGERPRINT = /^[0-9a-f]{64}$/;

function parseJson(source: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(source));
  } catch (cause) {
    throw new BaselineError('not-json', `${quote(file)} is not JSON in UTF-8`, { cause });
  }
}
