// What must hold between the keys that say who may connect to a listener.

import { quote } from '../core/quote.ts';
import { IdPatternError, parseIdPattern } from '../spiffe/id-pattern.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { Conflict, Path } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import type { ConfigDocument } from './config-schema.ts';

/** In place of a trust domain that is itself refused: what is wrong with a pattern is told all the same. */
const ANY_TRUST_DOMAIN = parseTrustDomain('any.example');

export function* findAdmissionConflicts({ trustDomain, listeners }: Sound<ConfigDocument>): Iterable<Conflict> {
  for (const [at, listener] of (listeners ?? []).entries()) {
    const path = ['listeners', at];
    const methods = listener?.authenticate ?? [];
    yield* findRepeated(methods, [...path, 'authenticate']);
    yield* findRepeated(listener?.jwt?.audiences ?? [], [...path, 'jwt', 'audiences']);
    const delegations = listener?.jwt?.delegations;
    if (delegations === undefined) continue;
    const delegationsPath = [...path, 'jwt', 'delegations'];
    if (methods.includes('jwt') && !methods.includes('x509')) {
      const message =
        'a delegation says whose connection may carry whose token, and without `x509` in `authenticate` no connection is of anybody; ' +
        'add it, or leave the delegations out';
      yield { code: 'conflict', path: delegationsPath, message };
    }
    for (const [index, delegation] of delegations.entries()) {
      const delegationPath = [...delegationsPath, index];
      const patterns: readonly (readonly [Path, string | undefined])[] = [
        [[...delegationPath, 'peer'], delegation?.peer],
        ...(delegation?.subjects ?? []).map(
          (subject, place) => [[...delegationPath, 'subjects', place], subject] as const,
        ),
      ];
      for (const [patternPath, pattern] of patterns) {
        if (pattern !== undefined) yield* findWrongPattern(patternPath, pattern, trustDomain);
      }
    }
  }
}

export function* findRepeated(words: readonly (string | undefined)[], path: Path): Iterable<Conflict> {
  for (const [at, word] of words.entries()) {
    if (word === undefined || words.indexOf(word) === at) continue;
    yield { code: 'repeated-entry', path: [...path, at], message: `${quote(word)} is already in the list` };
  }
}

export function* findWrongPattern(path: Path, pattern: string, own: TrustDomain | undefined): Iterable<Conflict> {
  try {
    parseIdPattern(pattern, own ?? ANY_TRUST_DOMAIN);
  } catch (error) {
    if (!(error instanceof IdPatternError)) throw error;
    yield { code: error.code, path, message: error.message };
  }
}
