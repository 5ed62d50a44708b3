import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hexEquals } from '../../src/artifact/digest.ts';
import {
  CLEAN,
  DATA,
  envelopeOf,
  EVALUATION_KEY,
  makeRun,
  MODEL,
  POLICY,
  type RunFixture,
  safetensors,
  sha256,
  statementOf,
  TRAINING_KEY,
  trainingWith,
} from './run-fixture.ts';

const MODEL_PATH = 'training/model.safetensors';
const OTHER = safetensors(7);
const LINKED = { input_artifacts: [{ path: 'data/train.csv', sha256: sha256(DATA) }] };
const SIGNED = { sha256: sha256(MODEL), signature: 'training/model.att.json' };

describe('metadata that says nothing', () => {
  const outputs = (trainingWith(SIGNED) as { output_artifacts: unknown }).output_artifacts;
  it.each<[string, object]>([
    ['an empty object', {}],
    ['a stage alone', { stage: 'training' }],
    ['outputs under another name', { ...LINKED, stage: 'training', outputs }],
    ['outputs in capitals', { ...LINKED, stage: 'training', Output_Artifacts: outputs }],
    ['a list of paths under any name', { ...LINKED, output_artifacts: [], stage: 'training', results: outputs }],
    ['a map of paths under any name', { ...LINKED, output_artifacts: [], results: { model: { path: MODEL_PATH } } }],
  ])('A7 is no pass: %s', async (_name, metadata) => {
    using run = makeRun({ 'training/metadata.json': metadata, [MODEL_PATH]: OTHER });
    const open = await run.open();
    expect(open).toContain('artifact-metadata unknown training/metadata.json');
    expect(open).toContain('artifact-stage fail training/metadata.json');
    const unlisted = (await run.findings()).filter(
      ({ rule, verdict, severity }) => rule === 'artifact-unlisted-file' && verdict === 'fail' && severity === 'high',
    );
    expect(unlisted).toHaveLength(1);
    expect((await run.audit()).exitCode).not.toBe(0);
  });

  it('A7 is not seen in lists that are none of artifacts', async () => {
    const more = { hyperparameters: { lr: 1 }, tags: ['a'], metrics: [{ auc: 1 }] };
    using run = makeRun({ 'training/metadata.json': trainingWith(SIGNED, { ...LINKED, ...more }) });
    expect(await run.open()).toEqual([]);
  });
});

describe('digests that are never compared', () => {
  it('A8 are none: a list of files of what is a file', async () => {
    const files = [{ path: 'x', sha256: '0'.repeat(64) }];
    using run = makeRun({
      'training/metadata.json': trainingWith({ files, signature: 'training/model.att.json' }, LINKED),
    });
    expect(await run.open()).toContain(`artifact-hash-missing fail ${MODEL_PATH}`);
  });

  it('does not take one for another that begins or ends alike', () => {
    const hex = sha256('x');
    for (const shared of [8, 16, 32, 63]) {
      const flipped = Array.from(hex)
        .map((digit, at) => (at < shared ? digit : digit === '0' ? '1' : '0'))
        .join('');
      const mirrored = Array.from(hex)
        .map((digit, at) => (at >= 64 - shared ? digit : digit === '0' ? '1' : '0'))
        .join('');
      expect([hexEquals(hex, flipped), hexEquals(hex, mirrored)]).toEqual([false, false]);
      expect(hexEquals(hex, hex.slice(0, shared))).toBe(false);
    }
    expect(hexEquals(hex, hex.toUpperCase())).toBe(true);
  });

  it('fails a declared digest that begins like the one of the bytes', async () => {
    const alike = sha256(MODEL).slice(0, 60) + (sha256(MODEL).endsWith('0000') ? '1111' : '0000');
    using run = makeRun({ 'training/metadata.json': trainingWith({ ...SIGNED, sha256: alike }, LINKED) });
    expect(await run.open()).toContain(`artifact-hash-mismatch fail ${MODEL_PATH}`);
  });
});

describe('subjects of statements', () => {
  const sha512 = (bytes: Buffer): string => createHash('sha512').update(bytes).digest('hex');
  const signed = (digest: object): string =>
    envelopeOf(statementOf('').replace('"digest":{"sha256":""}', `"digest":${JSON.stringify(digest)}`), TRAINING_KEY);

  it.each<[string, object, string]>([
    ['a wrong sha512', { sha256: sha256(MODEL), sha512: '0'.repeat(128) }, 'does not name the digest'],
    ['a wrong sha256', { sha256: sha256(OTHER), sha512: sha512(MODEL) }, 'does not name the digest'],
    ['a sha512 of too few digits', { sha256: sha256(MODEL), sha512: '00' }, 'has a digest that is none'],
    ['a sha512 that is no string', { sha256: sha256(MODEL), sha512: 7 }, 'has a digest that is none'],
    ['nothing but md5', { md5: '0'.repeat(32) }, 'names no subject'],
  ])('C3 hold by all of their digests: not with %s', async (_name, digest, detail) => {
    using run = makeRun({ 'training/model.att.json': signed(digest) });
    const found = (await run.findings()).find(
      ({ rule, verdict }) => rule === 'artifact-signature' && verdict === 'fail',
    );
    expect(found?.detail).toContain(detail);
  });

  it.each<[string, (envelope: string) => object]>([
    ['in a file', () => SIGNED],
    ['in the metadata', (envelope) => ({ sha256: sha256(MODEL), signature: JSON.parse(envelope) })],
  ])('C3 hold with several digests that are right, %s', async (_name, artifact) => {
    const envelope = signed({ sha256: sha256(MODEL), sha512: sha512(MODEL), gitCommit: 'x', sha1: '0'.repeat(40) });
    using run = makeRun({
      'training/model.att.json': envelope,
      'training/metadata.json': trainingWith(artifact(envelope), LINKED),
    });
    expect((await run.open()).filter((line) => !line.startsWith('artifact-unlisted'))).toEqual([]);
  });
});

describe('an input that was not copied', () => {
  const elsewhere = { input_artifacts: [{ path: 'mnt/copy.csv', sha256: sha256(DATA) }] };
  const withRevoked = (digest: string): RunFixture =>
    makeRun(
      { 'training/metadata.json': trainingWith(SIGNED, elsewhere) },
      `${POLICY}revoked: [{ digest: "${digest}", reason: poisoned }]\n`,
    );

  it('C2 is known by its digest, and the run is clean', async () => {
    using run = makeRun({ 'training/metadata.json': trainingWith(SIGNED, elsewhere) });
    expect(await run.open()).toEqual([]);
    expect((await run.audit()).exitCode).toBe(0);
  });

  it.each(['sha256', 'sha512'])('C2 is taken back by the %s of what its producer made', async (algorithm) => {
    using run = withRevoked(`${algorithm}:${createHash(algorithm).update(DATA).digest('hex')}`);
    expect(await run.open()).toContain('artifact-freshness fail mnt/copy.csv');
  });

  it('C2 is unknown where nobody can tell whether it was taken back', async () => {
    const unmade = { input_artifacts: [{ path: 'mnt/copy.csv', sha256: sha256('elsewhere') }] };
    using run = makeRun(
      { 'training/metadata.json': trainingWith(SIGNED, unmade) },
      `${POLICY}revoked: [{ digest: "sha512:${'0'.repeat(128)}", reason: poisoned }]\n`,
    );
    expect(await run.open()).toContain('artifact-freshness unknown mnt/copy.csv');
    using bare = makeRun({ 'training/metadata.json': trainingWith(SIGNED, { input_artifacts: [{ path: 'gone' }] }) });
    expect(await bare.open()).toContain('artifact-freshness unknown gone');
  });
});

describe('a baseline', () => {
  const pickle = (name: string): Buffer => Buffer.from(`c${name.replace('.', '\n')}\n(S'x'\ntR.`);
  const rebuilt = { ...(CLEAN['training/metadata.json'] as object) };
  it.each<[string, string, Record<string, string | Buffer | object>, Record<string, string | Buffer | object>]>([
    [
      'other names that a pickle imports',
      'artifact-unsafe-format',
      { 'data/a.pkl': pickle('os.system') },
      { 'data/a.pkl': pickle('subprocess.Popen') },
    ],
    [
      'other bytes than a digest says',
      'artifact-hash-mismatch',
      { [MODEL_PATH]: OTHER },
      { [MODEL_PATH]: safetensors(8) },
    ],
    [
      'another signer',
      'artifact-signer',
      { 'training/model.att.json': envelopeOf(statementOf(sha256(MODEL), { stage: 'training' }), EVALUATION_KEY) },
      { 'training/model.att.json': envelopeOf(statementOf(sha256(MODEL), { stage: 'data' }), EVALUATION_KEY) },
    ],
    [
      'other bytes under a signature that does not hold',
      'artifact-signature',
      { [MODEL_PATH]: OTHER },
      { [MODEL_PATH]: safetensors(8) },
    ],
    [
      'another file that nobody declares',
      'artifact-unlisted-file',
      { 'x/a.py': '1', 'x/b.py': '1' },
      { 'x/a.py': '1', 'x/evil.py': '1' },
    ],
  ])('A9 does not hide %s', async (_name, rule, before, after) => {
    using old = makeRun({ 'training/metadata.json': rebuilt, ...before });
    const baseline = join(old.path, '..', 'baseline.json');
    writeFileSync(baseline, (await old.audit('--format', 'json')).out);
    expect((await old.audit('--baseline', baseline, '--severity-threshold', 'low')).exitCode).toBe(0);
    using now = makeRun({ 'training/metadata.json': rebuilt, ...after });
    const { out, exitCode } = await now.audit('--baseline', baseline, '--severity-threshold', 'low');
    expect(exitCode).toBe(1);
    expect(out).toContain(rule);
  });
});
