// An earlier report, against which only what is new counts.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { own } from './kube-object.ts';

export class BaselineError extends SallyportError<'not-json' | 'not-a-report'> {}

export interface Baseline {
  /** By fingerprint, of what did not pass. */
  readonly verdicts: ReadonlyMap<string, 'fail' | 'unknown'>;
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
  const verdicts = new Map<string, 'fail' | 'unknown'>();
  for (const [index, finding] of findings.entries()) {
    const verdict = own(finding, 'verdict');
    const fingerprint = own(finding, 'fingerprint');
    const isKnown = verdict === 'pass' || verdict === 'fail' || verdict === 'unknown';
    if (!isKnown || typeof fingerprint !== 'string' || !FINGERPRINT.test(fingerprint)) {
      throw new BaselineError('not-a-report', `${quote(file)}: finding ${index} has no verdict and fingerprint`);
    }
    if (verdict !== 'pass' && verdicts.get(fingerprint) !== 'fail') verdicts.set(fingerprint, verdict);
  }
  return { verdicts };
}

/** What failed then may be unknown now; what was unknown and fails now is news. */
export function isInBaseline(baseline: Baseline, fingerprint: string, verdict: 'fail' | 'unknown'): boolean {
  const before = baseline.verdicts.get(fingerprint);
  return before === 'fail' || (before === 'unknown' && verdict === 'unknown');
}

const FINGERPRINT = /^[0-9a-f]{64}$/;

function parseJson(source: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(source));
  } catch (cause) {
    throw new BaselineError('not-json', `${quote(file)} is not JSON in UTF-8`, { cause });
  }
}
