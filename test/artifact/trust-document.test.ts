import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTrustDocument } from '../../src/artifact/trust-document.ts';
import { parseTrustedKey, parseTrustedRoot, TrustError } from '../../src/artifact/trust.ts';
import { DocumentError } from '../../src/yaml/located.ts';
import { runAudit } from '../cli/audit-run.ts';
import { makeRun, POLICY } from './run-fixture.ts';

function problemsOf(text: string): readonly string[] {
  try {
    parseTrustDocument(Buffer.from(text), 'artifacts.yaml');
    return [];
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    return error.problems.map(({ code, position }) => `${code} ${position.line}:${position.column}`);
  }
}

const STAGES = 'stages: { a: { signers: [{ key: k }] } }\n';
const KEYS = 'version: 1\nkeys: { k: { file: k.pub } }\n';

describe('the document that says whose signature counts', () => {
  it('is read', () => {
    const document = parseTrustDocument(
      Buffer.from(`${KEYS}${STAGES}revoked: [{ digest: "${'ab'.repeat(32)}", reason: r }]\n`),
      'x.yaml',
    );
    expect([...document.stages.keys()]).toEqual(['a']);
    expect(document.revoked).toHaveLength(1);
  });

  it.each<[string, string, readonly string[]]>([
    ['another version', `version: 2\n${KEYS.slice(11)}${STAGES}`, ['unsupported-version 1:10']],
    ['no stages', KEYS, ['missing-key 1:1']],
    ['an unknown key', `${KEYS}${STAGES}stage: {}\n`, ['unknown-key 4:1']],
    ['a key that is none', `${KEYS}stages: { a: { signers: [{ key: x }] } }\n`, ['unknown-name 3:33']],
    ['a stage without signers', `${KEYS}stages: { a: { signers: [] } }\n`, ['missing-key 3:25']],
    ['a signer that is two', `${KEYS}stages: { a: { signers: [{ key: k, root: r }] } }\n`, ['contradiction 3:26']],
    [
      'an identity of everybody',
      `${KEYS}roots: { r: { file: r.json } }\nstages: { a: { signers: [{ root: r, identity: "*", issuer: i }] } }\n`,
      ['too-wide 4:47'],
    ],
    [
      'an identity without an issuer',
      `${KEYS}roots: { r: { file: r.json } }\nstages: { a: { signers: [{ root: r, identity: x }] } }\n`,
      ['missing-key 4:26'],
    ],
    [
      'a stage that nobody knows',
      `${KEYS}stages: { a: { signers: [{ key: k }], inputsFrom: [b] } }\n`,
      ['unknown-name 1:1'],
    ],
    [
      'a duration that is none',
      `${KEYS}stages: { a: { signers: [{ key: k }], signedWithin: soon } }\n`,
      ['bad-duration 3:53'],
    ],
    [
      'an instant that is none',
      `${KEYS}stages: { a: { signers: [{ key: k }], signedAfter: soon } }\n`,
      ['bad-instant 3:52'],
    ],
    ['a weak digest', `${KEYS}${STAGES}revoked: [{ digest: "${'ab'.repeat(16)}", reason: r }]\n`, ['bad-digest 4:21']],
    ['a list', '- 1\n', ['wrong-type 1:1', 'unsupported-version 1:1', 'missing-key 1:1']],
  ])('refuses %s at its place', (_name, text, expected) => {
    expect(problemsOf(text)).toEqual(expected);
  });

  it('reads any text to an end', () => {
    const words = fc.constantFrom(
      'version',
      '1',
      ': ',
      'keys',
      'stages',
      'signers',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      'key',
      'file',
      '"',
      'null',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), (parts) => {
        expect(problemsOf(parts.join(''))).toBeInstanceOf(Array);
      }),
      { numRuns: 300 },
    );
  });

  it.each<[string, string, RegExp]>([
    ['a private key', '-----BEGIN PRIVATE KEY-----\nx\n', /holds a private key/],
    ['no key', 'hello', /no public key in PEM/],
  ])('refuses %s for a trusted key, at the place that names it, with exit code 2', async (_name, text, said) => {
    using run = makeRun({ '../policies/training.pub': text });
    const { errors, exitCode } = await run.audit();
    expect(errors).toMatch(said);
    expect(errors).toContain('artifacts.yaml:3:');
    expect(exitCode).toBe(2);
  });

  it('refuses keys that nobody should trust, and roots that are none', () => {
    const weak =
      '-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALRiMLAHudeSA/x3hB2f+2NRkJLA3t7kCFkHCGGJjOtW\nQ8sE2TMpbmD3MBcv8yQdbJ7Ux6lVvXJGdD7sT7xVGIkCAwEAAQ==\n-----END PUBLIC KEY-----\n';
    expect(() => parseTrustedKey(Buffer.from(weak), 'k.pub')).toThrow(TrustError);
    expect(() => parseTrustedRoot(Buffer.from('{'), 'r.json')).toThrow(/r\.json:1:2/);
    expect(() => parseTrustedRoot(Buffer.from('{}'), 'r.json')).toThrow(TrustError);
    expect(() => parseTrustedRoot(Buffer.from('{"certificateAuthorities":7}'), 'r.json')).toThrow(TrustError);
  });

  it('refuses a broken document with its place and exit code 2', async () => {
    using run = makeRun({}, `${POLICY}extra: 1\n`);
    const { errors, exitCode } = await run.audit();
    expect(errors).toMatch(/artifacts\.yaml:14:1: unknown key/);
    expect(exitCode).toBe(2);
  });

  it('is written as the documentation shows it', async () => {
    const text = readFileSync(new URL('../../deploy/ARTIFACTS.md', import.meta.url), 'utf8');
    const example = /```yaml\n(version: 1\n[^`]*)```/.exec(text)?.[1] ?? '';
    expect(problemsOf(example)).toEqual([]);
    expect(example).toContain('inputsFrom');
    const { exitCode } = await runAudit(['pipeline', '--help']);
    expect(exitCode).toBe(0);
  });
});
