import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sourceOf } from '../../src/artifact/content/byte-source.ts';
import { scanCredentials } from '../../src/artifact/credential-scan.ts';
import { makeRun } from './run-fixture.ts';

// Put together here, so that no scanner finds them in this repository.
const TOKEN = ['hf_', 'AbCdEfGhIjKlMnOpQrStUvWxYz01234567'].join('');
const KEY = ['wJalrXUtnFEMI', '/K7MDENG+bPxRfiCYzk3qRv9T0p'].join('');
const PEM = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

function kindsIn(name: string, content: string | Buffer): readonly string[] {
  return scanCredentials(sourceOf(Buffer.from(content)), name, []).detections.map(({ kind }) => kind);
}

describe('credentials in run directories', () => {
  it.each<[string, string, string | Buffer, string]>([
    ['.env', '.env', `HF_TOKEN=${TOKEN}\n`, 'huggingface-token'],
    [
      '.netrc',
      '.netrc',
      'machine api.wandb.ai\n  login user\n  password 5f4dcc3b5aa765d61d8327deb882cf99aa11bb22\n',
      'netrc-password',
    ],
    ['a key', 'id_rsa', PEM, 'private-key'],
    ['a key under another name', 'notes.md', `see\n${PEM}`, 'private-key'],
    ['.git-credentials', '.git-credentials', 'https://bot:S3cr3tPassw0rd9x@git.example.org\n', 'url-password'],
    ['.aws/credentials', 'credentials', `[default]\naws_secret_access_key = ${KEY}\n`, 'aws-secret-access-key'],
    [
      'a kubeconfig',
      'config',
      `users:\n- user:\n    client-key-data: ${Buffer.from(PEM).toString('base64')}\n`,
      'kubeconfig-key',
    ],
    ['the token of Hugging Face', 'token', TOKEN, 'huggingface-token'],
    [
      'a notebook',
      'train.ipynb',
      JSON.stringify({ cells: [{ source: [`login(token="${TOKEN}")\n`] }] }),
      'huggingface-token',
    ],
    [
      'a token among the bytes of a checkpoint',
      'last.ckpt',
      Buffer.concat([Buffer.from([0x80, 4, 0]), Buffer.from(` ${TOKEN} `), Buffer.alloc(99)]),
      'huggingface-token',
    ],
    [
      'UTF-16',
      'x.txt',
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`HF_TOKEN=${TOKEN}\n`, 'utf16le')]),
      'huggingface-token',
    ],
    ['a keystore', 'client.bin', Buffer.from('308209610201033082092706', 'hex'), 'keystore'],
  ])('B13 finds %s by its content', (_name, name, content, kind) => {
    expect(kindsIn(name, content)).toContain(kind);
  });

  it.each([
    ['code that is named for secrets', 'secrets.py', 'import secrets\ntoken = secrets.token_hex(16)\n'],
    ['an example', '.env.example', 'HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxx\nPASSWORD=${PASSWORD}\n'],
    ['digests', 'metadata.json', `{"sha256":"${'ab12'.repeat(16)}"}`],
    ['a public certificate', 'ca.pem', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'],
  ])('B13 finds nothing in %s', (_name, name, content) => {
    expect(kindsIn(name, content)).toEqual([]);
  });

  it('B13 finds the arguments that a checkpoint keeps', () => {
    const { detections } = scanCredentials(sourceOf(Buffer.alloc(64)), 'last.ckpt', [
      'lr',
      'wandb_api_key',
      '0f1e2d3c4b5a69788796a5b4c3d2e1f001122334',
    ]);
    expect(detections.map(({ name }) => name)).toEqual(['wandb_api_key']);
  });

  it('finds what lies beyond the first window, at its line, once', () => {
    const content = `${'x\n'.repeat(2_097_000)}HF_TOKEN=${TOKEN}\n${'y\n'.repeat(100_000)}`;
    const { detections } = scanCredentials(sourceOf(Buffer.from(content)), 'log.txt', []);
    expect(detections.map(({ line }) => line)).toEqual([2_097_001]);
  });

  it('does not call a text searched of which it has read a part', () => {
    const source = {
      size: 65 * 1024 * 1024,
      read: (_offset: number, length: number) => Buffer.alloc(length, `${'a'.repeat(400)}\n`),
    };
    expect(scanCredentials(source, 'log.txt', []).unsearched).toContain('the first 64 MiB');
  });

  it('B13 reports them at their line, and prints none in any format', async () => {
    using run = makeRun({ '.env': `A=1\nHF_TOKEN=${TOKEN}\n`, 'data/key.txt': PEM });
    const found = (await run.findings()).filter(
      ({ rule, verdict }) => rule === 'artifact-credential' && verdict === 'fail',
    );
    expect(found.map(({ location }) => location?.line)).toEqual(expect.arrayContaining([1, 2]));
    const secrets = [TOKEN, TOKEN.slice(8, 24), PEM.split('\n')[1] ?? ''];
    for (const format of ['json', 'table', 'sarif', 'csv', 'junit', 'html']) {
      const { out, errors } = await run.audit('--format', format);
      for (const secret of secrets) expect(out + errors).not.toContain(secret);
    }
  });
});
