// `svid verify` and `svid inspect` on files, as a person or a script calls them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerSvidCommand } from '../../src/cli/svid.ts';
import {
  dnsName,
  extendedKeyUsage,
  ipName,
  issueAuthority,
  issueSvid,
  nameConstraints,
  OID,
  pemOf,
  selfSigned,
  uriName,
} from '../support/certificate-builder.ts';

const ID = 'spiffe://ai.example/training/job';
const root = selfSigned({ subject: [['CN', 'root']] });
const intermediate = issueAuthority(root, {
  subject: [['CN', 'intermediate \u001b[31m']],
  extensions: (usual) => [...usual, nameConstraints({ permitted: [uriName('ai.example')] })],
});
const leaf = issueSvid(intermediate, ID, { names: [uriName(ID), dnsName('job.ai.example'), ipName(10, 0, 0, 7)] });

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-svid-'));
  file('bundle.pem', root.pem);
  file('chain.pem', pemOf(leaf, intermediate));
});

afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, contents: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
}

interface Run {
  readonly out: string;
  readonly errors: string;
  readonly exitCode: number | null;
}

async function run(...args: readonly string[]): Promise<Run> {
  let out = '';
  let errors = '';
  let exitCode: number | null = null;
  const program = new Command('sallyport').exitOverride().configureOutput({ writeErr: () => undefined });
  registerSvidCommand(program, {
    tell(text) {
      this.write(text);
    },
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      errors += text;
    },
    stdin: (async function* none() {})(),
    colour: false,
    setExitCode: (code) => {
      exitCode = code;
    },
  });
  await program.parseAsync(['svid', ...args], { from: 'user' });
  return { out, errors, exitCode };
}

const inDirectory = (name: string): string => join(directory, name);
const bundle = (name = 'bundle.pem', trustDomain = 'ai.example'): string => `${trustDomain}=${inDirectory(name)}`;

describe('svid verify', () => {
  it('prints the identity and exits with 0', async () => {
    const { out, errors, exitCode } = await run('verify', '--bundle', bundle(), inDirectory('chain.pem'));
    expect({ ...JSON.parse(out) }).toEqual({
      ok: true,
      spiffeId: ID,
      trustDomain: 'ai.example',
      notBefore: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      notAfter: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      serialNumber: expect.stringMatching(/^[0-9a-f]+$/),
      leafSha256: leaf.sha256,
      chain: [leaf, intermediate, root].map(({ sha256 }) => expect.objectContaining({ sha256 })),
    });
    expect(out.endsWith('\n')).toBe(true);
    expect({ errors, exitCode }).toEqual({ errors: '', exitCode: 0 });
  });

  it('prints the reason of a refusal and exits with 1', async () => {
    const chain = file('leaf-alone.pem', leaf.pem);
    const { out, exitCode } = await run('verify', '--bundle', bundle(), chain);
    expect(JSON.parse(out)).toEqual({ ok: false, code: 'unknown-authority', message: expect.any(String) });
    expect(exitCode).toBe(1);
  });

  it('verifies as of the instant given', async () => {
    const at = (instant: string): Promise<Run> =>
      run('verify', '--bundle', bundle(), '--at', instant, inDirectory('chain.pem'));
    expect(JSON.parse((await at('2000-01-01T00:00:00Z')).out)).toMatchObject({ ok: false, code: 'not-yet-valid' });
    expect(JSON.parse((await at('2099-01-01T00:00:00+01:00')).out)).toMatchObject({ ok: false, code: 'expired' });
    expect(JSON.parse((await at(new Date().toISOString())).out)).toMatchObject({ ok: true });
  });

  it('takes several bundles, and only that of the trust domain of the ID', async () => {
    const other = selfSigned();
    file('other.pem', other.pem);
    const chain = inDirectory('chain.pem');
    const right = await run('verify', '--bundle', bundle('other.pem', 'b.example'), '--bundle', bundle(), chain);
    expect(right.exitCode).toBe(0);
    const swapped = await run(
      'verify',
      '--bundle',
      bundle('bundle.pem', 'b.example'),
      '--bundle',
      bundle('other.pem'),
      chain,
    );
    expect(JSON.parse(swapped.out)).toMatchObject({ ok: false, code: 'unknown-authority' });
  });

  it('verifies a chain that shares its file with a private key, and never shows the key', async () => {
    const chain = file('combined.pem', leaf.privateKeyPem + pemOf(leaf, intermediate));
    const { out, exitCode } = await run('verify', '--bundle', bundle(), chain);
    expect(exitCode).toBe(0);
    expect(out).not.toContain(leaf.privateKeyPem.slice(60, 90));
  });

  it.each([
    ['CE-48 an empty bundle', 'empty.pem', '', 'empty-bundle'],
    ['a bundle with a certificate that is no CA', 'leaf-bundle.pem', leaf.pem, 'not-an-authority'],
    ['a bundle cut off while it was written', 'cut.pem', root.pem.slice(0, -30), 'pem-truncated'],
  ])('refuses %s', async (_name, name, contents, code) => {
    file(name, contents);
    const { out, exitCode } = await run('verify', '--bundle', bundle(name), inDirectory('chain.pem'));
    expect(JSON.parse(out)).toMatchObject({ ok: false, code });
    expect(exitCode).toBe(1);
  });

  it('refuses a chain file without a certificate', async () => {
    const { out, exitCode } = await run('verify', '--bundle', bundle(), file('nothing.pem', 'nothing\n'));
    expect(JSON.parse(out)).toMatchObject({ ok: false, code: 'empty-chain' });
    expect(exitCode).toBe(1);
  });

  it.each<[string, () => readonly string[]]>([
    ['a bundle file', () => ['--bundle', bundle('absent.pem'), inDirectory('chain.pem')]],
    ['a chain file', () => ['--bundle', bundle(), inDirectory('absent.pem')]],
  ])('verifies nothing without %s that is there', async (_name, args) => {
    const { out, exitCode } = await run('verify', ...args());
    expect(JSON.parse(out)).toMatchObject({ ok: false, code: 'unreadable-file' });
    expect(exitCode).toBe(1);
  });

  const wrongCalls: readonly (readonly [name: string, args: () => readonly string[]])[] = [
    ['a bundle without file', () => ['--bundle', 'ai.example', inDirectory('chain.pem')]],
    ['a bundle with an empty file name', () => ['--bundle', 'ai.example=', inDirectory('chain.pem')]],
    [
      'a bundle of something that is no trust domain',
      () => ['--bundle', bundle('bundle.pem', 'AI'), inDirectory('chain.pem')],
    ],
    ['two bundles of one trust domain', () => ['--bundle', bundle(), '--bundle', bundle(), inDirectory('chain.pem')]],
    ['an instant that is none', () => ['--bundle', bundle(), '--at', 'tomorrow', inDirectory('chain.pem')]],
  ];
  it.each(wrongCalls)('exits with 2 for %s', async (_name, args) => {
    const { out, errors, exitCode } = await run('verify', ...args());
    expect(errors).toMatch(/^sallyport: [^\n]+\n$/);
    expect({ out, exitCode }).toEqual({ out: '', exitCode: 2 });
  });

  it('is a wrong call without a bundle', async () => {
    await expect(run('verify', inDirectory('chain.pem'))).rejects.toHaveProperty(
      'code',
      'commander.missingMandatoryOptionValue',
    );
  });
});

describe('svid inspect', () => {
  it('shows everything about a good chain and refuses nothing of it', async () => {
    const { out, exitCode } = await run('inspect', '--json', inDirectory('chain.pem'));
    expect(JSON.parse(out)).toMatchObject({
      file: inDirectory('chain.pem'),
      certificates: [
        {
          kind: 'certificate',
          role: 'leaf',
          spiffeId: ID,
          subject: 'O=test workload',
          signedBy: 2,
          publicKey: 'EC P-256',
          signatureAlgorithm: 'ECDSA with SHA-256',
          subjectAltName: {
            critical: false,
            names: [
              { form: 'uri', value: ID },
              { form: 'dns', value: 'job.ai.example' },
              { form: 'ip', value: '10.0.0.7' },
            ],
          },
          keyUsage: { critical: true, bits: ['digitalSignature'] },
          extendedKeyUsage: { critical: false, purposes: ['serverAuth', 'clientAuth'] },
          basicConstraints: { critical: true, isCa: false, maxPathLength: null },
          nameConstraints: null,
          sha256: leaf.sha256,
          refusals: [],
        },
        {
          role: 'intermediate',
          spiffeId: null,
          issuer: 'CN=root',
          signedBy: null,
          nameConstraints: { critical: true, permitted: [{ form: 'uri', value: 'ai.example' }], excluded: [] },
          sha256: intermediate.sha256,
          refusals: [],
        },
      ],
    });
    expect(exitCode).toBe(0);
  });

  it('names every rule that refuses', async () => {
    const bad = issueSvid(intermediate, 'spiffe://b.example/x', {
      notAfter: new Date(Date.now() - 1000),
      extensions: (usual) =>
        usual
          .filter(({ oid }) => oid !== OID.keyUsage)
          .map((extension) =>
            extension.oid === OID.extendedKeyUsage ? extendedKeyUsage([OID.serverAuth]) : extension,
          ),
    });
    const { out, exitCode } = await run('inspect', '--json', file('bad.pem', pemOf(bad, intermediate)));
    const { certificates } = JSON.parse(out);
    expect(certificates[0].refusals.map(({ code }: { code: string }) => code)).toEqual([
      'expired',
      'leaf-key-usage',
      'extended-key-usage',
    ]);
    expect(certificates[1].refusals.map(({ code }: { code: string }) => code)).toEqual(['name-constraints']);
    expect(exitCode).toBe(0);
  });

  it('is readable, one fact a line, and never passes on a control character', async () => {
    const { out, exitCode } = await run('inspect', inDirectory('chain.pem'));
    expect(out).toContain(`  SPIFFE ID            ${ID}\n`);
    expect(out).toContain('certificate 2 of 2: intermediate\n');
    expect(out).toContain('  subject              `CN=intermediate \\u{1b}[31m`\n');
    expect(out).toContain('  key usage            digitalSignature (critical)\n');
    expect(out).toContain('  signed by            certificate 2\n');
    expect(out).toMatch(/ \(in 2[34] hours\)\n/);
    expect(out).toContain('  permitted names      uri `ai.example` (critical)\n');
    expect(out).not.toContain('excluded names');
    expect(out).toMatch(/^[\x20-\x7e\n]+$/);
    expect(exitCode).toBe(0);
  });

  it('judges validity as of the instant given', async () => {
    const { out } = await run('inspect', '--at', '2099-01-01T00:00:00Z', inDirectory('chain.pem'));
    expect(out).toContain('  refused              expired: ');
    expect(out).toMatch(/\(\d+ days ago\)/);
  });

  it('takes a file of CAs for a trust bundle', async () => {
    const { out } = await run('inspect', '--json', inDirectory('bundle.pem'));
    expect(JSON.parse(out).certificates).toMatchObject([{ role: 'authority', signedBy: 1, refusals: [] }]);
  });

  it('takes one certificate as DER', async () => {
    const { out, exitCode } = await run('inspect', '--json', file('leaf.der', leaf.der));
    expect(JSON.parse(out).certificates).toMatchObject([{ sha256: leaf.sha256 }]);
    expect(exitCode).toBe(0);
  });

  it('says why a certificate cannot be read, shows the others, and exits with 1', async () => {
    const broken = `-----BEGIN CERTIFICATE-----\n${Buffer.from('3003020101', 'hex').toString('base64')}\n-----END CERTIFICATE-----\n`;
    const { out, exitCode } = await run('inspect', '--json', file('broken.pem', leaf.pem + broken));
    expect(JSON.parse(out).certificates).toMatchObject([
      { kind: 'certificate', role: 'leaf' },
      { kind: 'unreadable', code: 'not-der', message: expect.stringContaining('at byte 2') },
    ]);
    expect(exitCode).toBe(1);
    expect((await run('inspect', inDirectory('broken.pem'))).out).toContain('certificate 2 of 2: unreadable\n');
  });

  it('exits with 1 for a file without certificate or with broken PEM, with 2 for none at all', async () => {
    expect((await run('inspect', file('none.pem', ''))).exitCode).toBe(1);
    const cut = await run('inspect', file('half.pem', leaf.pem.slice(0, 200)));
    expect(cut).toMatchObject({ out: '', exitCode: 1, errors: expect.stringContaining('half.pem:1: ') });
    expect(await run('inspect', inDirectory('absent.pem'))).toMatchObject({ out: '', exitCode: 2 });
  });
});
