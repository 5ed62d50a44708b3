// Patterns of SPIFFE IDs: a trust domain without wildcards, then whole path segments, anchored at both ends.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import {
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  type SpiffeId,
  SpiffeIdError,
  type TrustDomain,
  trustDomainOf,
} from './spiffe-id.ts';

/** `null` is `*`, exactly one segment; a string is that segment. A final `**`, one or more segments, is `rest` of the pattern. */
export interface IdPattern {
  /** As written. */
  readonly text: string;
  readonly trustDomain: TrustDomain;
  readonly segments: readonly (string | null)[];
  readonly rest: boolean;
}

export class IdPatternError extends SallyportError<'bad-id-pattern'> {}

const SCHEME = 'spiffe://';

/**
 * Accepts `spiffe://<trust domain>/<segments>`, or `/<segments>` in the policy's own trust domain.
 * @throws {IdPatternError}
 */
export function parseIdPattern(text: string, own: TrustDomain): IdPattern {
  const refuse = (why: string, cause?: unknown): never => {
    throw new IdPatternError('bad-id-pattern', `ID pattern ${quote(text)} ${why}`, { cause });
  };
  const isFull = text.startsWith(SCHEME);
  if (!isFull && !text.startsWith('/')) refuse('must begin with `spiffe://` or, in the own trust domain, with `/`');
  const slash = isFull ? text.indexOf('/', SCHEME.length) : 0;
  if (slash < 0) refuse('has no path; the ID of a trust domain itself names no workload');
  const trustDomain = isFull ? readTrustDomain(text.slice(SCHEME.length, slash), refuse) : own;
  const written = text.slice(slash + 1).split('/');
  const rest = written.at(-1) === '**';
  const segments = (rest ? written.slice(0, -1) : written).map((segment) => {
    if (segment === '*') return null;
    if (segment === '**') refuse('has a `**` that is not its last segment');
    if (segment.includes('*')) refuse('has a `*` inside a segment; a `*` stands for a whole one');
    return segment;
  });
  // The rest is a SPIFFE ID like any other: put a plain segment in each wildcard's place and let its parser judge.
  const example = `${SCHEME}${trustDomain}/${[...segments.map((segment) => segment ?? 'x'), ...(rest ? ['x'] : [])].join('/')}`;
  try {
    parseSpiffeId(example);
  } catch (error) {
    if (error instanceof SpiffeIdError) refuse(`could match no SPIFFE ID (${error.code})`, error);
    throw error;
  }
  return { text, trustDomain, segments, rest };
}

export function matchesIdPattern({ trustDomain, segments, rest }: IdPattern, id: SpiffeId): boolean {
  if (trustDomainOf(id) !== trustDomain) return false;
  const [, ...written] = pathOf(id).split('/');
  if (rest ? written.length <= segments.length : written.length !== segments.length) return false;
  return segments.every((segment, at) => segment === null || segment === written[at]);
}

function readTrustDomain(text: string, refuse: (why: string, cause?: unknown) => never): TrustDomain {
  try {
    return parseTrustDomain(text);
  } catch (error) {
    if (error instanceof SpiffeIdError) return refuse(`has no valid trust domain: ${error.message}`, error);
    throw error;
  }
}
