// SPIFFE IDs and X.509-SVIDs beside the SPIFFE project's own Go library: same answers, or a stricter one of ours that is named here.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSpiffeId, pathOf, SpiffeIdError, trustDomainOf } from '../../src/spiffe/spiffe-id.ts';
import { TrustBundleError } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { X509SvidError } from '../../src/spiffe/x509-svid-error.ts';
import { chainPlan, makeChain, type PresentedChain } from '../support/random-chains.ts';
import { bundlesOf } from '../support/trust.ts';
import { useGoProgram } from './go-program.ts';
import { askOracle, type OracleAnswer } from './oracle.ts';

const now = Math.floor(Date.now() / 1000) * 1000;
const oracle = useGoProgram('go-spiffe');
const ask = (questions: readonly object[]): readonly OracleAnswer[] => askOracle(oracle(), questions);

/** [trust domain, path], or null for a refusal. */
function ours(text: string): readonly [string, string] | null {
  try {
    const id = parseSpiffeId(text);
    return [trustDomainOf(id), pathOf(id)];
  } catch (error) {
    if (error instanceof SpiffeIdError) return null;
    throw error;
  }
}

describe('beside go-spiffe (skipped without Go or its module)', () => {
  it('SPIFFE IDs are the same, and have the same parts', () => {
    const atom = fc.constantFrom(
      'a',
      'Z',
      '0',
      '.',
      '..',
      '/',
      '//',
      '%',
      '%2e',
      '?',
      '#',
      '@',
      ':',
      '\0',
      '\n',
      'é',
      '-',
      '_',
      ' ',
      '\\',
      '[',
    );
    const built = fc
      .tuple(
        fc.constantFrom('spiffe://', 'spiffe://', 'spiffe://', 'spiffe:/', 'SPIFFE://', 'spiffe:///', 'https://', ''),
        fc.constantFrom('td', 'ai.example', '127.0.0.1', '__proto__', 'TD', ''),
        fc.array(atom, { maxLength: 8 }),
      )
      .map(([scheme, trustDomain, atoms]) => `${scheme}${trustDomain}${atoms.join('')}`);
    const right = fc.stringMatching(/^spiffe:\/\/[a-z0-9._-]{1,20}(?:\/[a-zA-Z0-9._-]{1,8}){0,4}$/);
    const texts = fc.sample(fc.oneof(built, right, fc.string({ unit: 'binary' }), fc.webUrl()), 5000);
    const answers = ask(texts.map((id) => ({ id })));
    const differences = texts.flatMap((text, index) => {
      const theirs = answers[index];
      const same =
        JSON.stringify(ours(text)) === JSON.stringify(theirs?.ok === true ? [theirs.trustDomain, theirs.path] : null);
      return same ? [] : [{ text, theirs }];
    });
    expect(differences).toEqual([]);
    expect(answers.filter(({ ok }) => ok).length).toBeGreaterThan(500);
  });

  it('ID-18 only we bound their length', () => {
    const texts = [`spiffe://td/${'x'.repeat(2037)}`, `spiffe://${'t'.repeat(256)}/x`];
    expect(texts.map(ours)).toEqual([null, null]);
    expect(ask(texts.map((id) => ({ id }))).map(({ ok }) => ok)).toEqual([true, true]);
  });

  it('X.509-SVIDs that we accept, it accepts, with the same ID', () => {
    const chains = fc.sample(chainPlan(now), 300).map(makeChain);
    const accepted = chains.flatMap((chain) => {
      const id = accept(chain);
      return id === null ? [] : [{ chain, id }];
    });
    const questions = accepted.map(({ chain: { chain, authorities } }) => ({
      chain: chain.map(({ der }) => der.toString('base64')),
      bundles: { 'ai.example': authorities.map(({ der }) => der.toString('base64')) },
      at: now / 1000,
    }));
    const answers = ask(questions).map(({ ok, message, trustDomain, path }) =>
      ok ? `spiffe://${trustDomain}${path}` : message,
    );
    expect(answers).toEqual(accepted.map(({ id }) => id));
    expect(answers.length).toBeGreaterThan(20);
  });
});

function accept({ chain, authorities }: PresentedChain): string | null {
  try {
    const presented = chain.map(({ der }) => der);
    return verifyX509Svid(presented, bundlesOf({ 'ai.example': authorities }), now).id;
  } catch (error) {
    if (error instanceof X509SvidError || error instanceof TrustBundleError) return null;
    throw error;
  }
}
