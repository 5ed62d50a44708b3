// Run directories for tests: three stages that sign what they make, and whatever a test changes about them.

import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runAudit, type AuditRun } from '../cli/audit-run.ts';

export const STATEMENT = 'application/vnd.in-toto+json';

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly pem: string;
}

export function makeKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, pem: publicKey.export({ format: 'pem', type: 'spki' }).toString() };
}

export const TRAINING_KEY = makeKey();
export const EVALUATION_KEY = makeKey();

export function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** As the DSSE protocol has it; written here once more, so that ours is not its own witness. */
export function encode(type: string, payload: string): Buffer {
  return Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${Buffer.byteLength(payload)} ${payload}`);
}

export interface StatementTerms {
  readonly stage?: string;
  readonly finishedOn?: string;
  readonly type?: string;
}

export function statementOf(
  hex: string,
  { stage, finishedOn = '2026-11-01T00:00:00Z', type = 'https://in-toto.io/Statement/v1' }: StatementTerms = {},
): string {
  return JSON.stringify({
    _type: type,
    subject: [{ name: 'model', digest: { sha256: hex } }],
    predicateType: 'https://example.com/stage/v1',
    predicate: { finishedOn, ...(stage === undefined ? {} : { stage }) },
  });
}

export function envelopeOf(payload: string, { privateKey }: TestKey, payloadType = STATEMENT): string {
  const sig = sign('sha256', encode(payloadType, payload), privateKey).toString('base64');
  return JSON.stringify({
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: [{ keyid: '', sig }],
  });
}

/** A safetensors file with one tensor of four floats. */
export function safetensors(fill = 0): Buffer {
  const header = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(16, fill)]);
}

export const MODEL = safetensors();
export const DATA = 'a,b\n1,2\n';
export const REPORT = '{"auc":0.9}';

export const POLICY = `version: 1
keys:
  training: { file: training.pub }
  evaluation: { file: evaluation.pub }
stages:
  data:
    signers: [{ key: evaluation }]
  training:
    signers: [{ key: training }]
    inputsFrom: [data]
  evaluation:
    signers: [{ key: evaluation }]
    inputsFrom: [training]
`;

export type Files = Readonly<Record<string, string | Buffer | object | null>>;

/** Data, training and evaluation, each signed by its own key, with nothing to find. */
export const CLEAN: Files = {
  'data/train.csv': DATA,
  'data/train.att.json': envelopeOf(statementOf(sha256(DATA), { stage: 'data' }), EVALUATION_KEY),
  'data/metadata.json': {
    stage: 'data',
    output_artifacts: [{ path: 'data/train.csv', sha256: sha256(DATA), signature: 'data/train.att.json' }],
  },
  'training/model.safetensors': MODEL,
  'training/model.att.json': envelopeOf(statementOf(sha256(MODEL), { stage: 'training' }), TRAINING_KEY),
  'training/metadata.json': {
    stage: 'training',
    input_artifacts: [{ path: 'data/train.csv', sha256: sha256(DATA) }],
    output_artifacts: [
      { path: 'model.safetensors', hash: `SHA256:${sha256(MODEL).toUpperCase()}`, signature: 'model.att.json' },
    ],
  },
  'evaluation/report.json': REPORT,
  'evaluation/report.att.json': envelopeOf(statementOf(sha256(REPORT), { stage: 'evaluation' }), EVALUATION_KEY),
  'evaluation/artifact_info.json': {
    stage: 'evaluation',
    input_artifacts: [{ path: 'training/model.safetensors', sha256: sha256(MODEL) }],
    output_artifacts: [
      { path: 'evaluation/report.json', sha256: sha256(REPORT), signature: 'evaluation/report.att.json' },
    ],
  },
};

/** `training` with one artifact of these properties. */
export function trainingWith(artifact: object, more: object = {}): object {
  return { stage: 'training', output_artifacts: [{ path: 'training/model.safetensors', ...artifact }], ...more };
}

export interface ReportedFinding {
  readonly rule: string;
  readonly verdict: 'pass' | 'fail' | 'unknown';
  readonly severity: string;
  readonly detail: string;
  readonly resource: { readonly kind: string; readonly namespace: string | null; readonly name: string };
  readonly location: { readonly file: string; readonly line: number; readonly column: number } | null;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly reason?: string | null;
}

export interface RunFixture {
  readonly path: string;
  readonly policy: string;
  /** Below the run. */
  write(name: string, content: string | Buffer | object): void;
  audit(...argv: readonly string[]): Promise<AuditRun>;
  /** Failures and unknowns, as `rule verdict name`. */
  open(...argv: readonly string[]): Promise<readonly string[]>;
  findings(...argv: readonly string[]): Promise<readonly ReportedFinding[]>;
  [Symbol.dispose](): void;
}

/** `changes` beside what is clean; null takes a file away. */
export function makeRun(changes: Files = {}, policy: string | null = POLICY): RunFixture {
  return makeBareRun({ ...CLEAN, ...changes }, policy);
}

export function makeBareRun(files: Files, policy: string | null = POLICY): RunFixture {
  const home = mkdtempSync(join(tmpdir(), 'sallyport-run-'));
  const path = join(home, 'run-1');
  const write = (file: string, content: string | Buffer | object): void => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content, null, 2),
      { mode: 0o644 },
    );
  };
  mkdirSync(path);
  const policies = join(home, 'policies');
  write(join(policies, 'training.pub'), TRAINING_KEY.pem);
  write(join(policies, 'evaluation.pub'), EVALUATION_KEY.pem);
  if (policy !== null) write(join(policies, 'artifacts.yaml'), policy);
  for (const [name, content] of Object.entries(files)) if (content !== null) write(join(path, name), content);
  const withPolicy = policy === null ? [] : ['--policy', policies];
  const audit = async (...argv: readonly string[]): Promise<AuditRun> =>
    runAudit(['pipeline', path, ...withPolicy, ...argv]);
  const findings = async (...argv: readonly string[]): Promise<readonly ReportedFinding[]> =>
    JSON.parse((await audit('--format', 'json', ...argv)).out).findings;
  return {
    path,
    policy: join(policies, 'artifacts.yaml'),
    write: (name, content) => write(join(path, name), content),
    audit,
    findings,
    open: async (...argv) =>
      (await findings(...argv))
        .filter(({ verdict }) => verdict !== 'pass')
        .map(({ rule, verdict, resource }) => `${rule} ${verdict} ${resource.name}`)
        .sort(),
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  };
}
