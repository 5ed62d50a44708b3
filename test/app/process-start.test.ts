// Starts of the real process that are refused: with exit code 1, the place to look, and nothing left running.

import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { runSidecar, runToEnd, type SidecarFiles, writeSidecarFiles } from '../support/sidecar-process.ts';
import { createTestAuthority, testAuthority } from '../support/svid-fixtures.ts';

const POLICY = `version: 1
trustDomain: ai.example
components: { training: {}, registry: {} }
access:
  training: { allow: [registry] }
`;

/** What a start says after `spoil` has been at its files, with their directory as `.`. */
async function refusalOf(spoil: (files: SidecarFiles) => void): Promise<readonly string[]> {
  const files = writeSidecarFiles({ upstreamPort: 1, policy: POLICY, extra: '' });
  try {
    spoil(files);
    const { exitCode, errors, log } = await runToEnd(files);
    expect(exitCode).toBe(1);
    expect(errors).not.toMatch(/^\s+at /m);
    expect(log.filter(({ msg }) => msg === 'ready')).toEqual([]);
    return errors.trimEnd().replaceAll(files.directory, '.').split('\n');
  } finally {
    files.remove();
  }
}

type Case = readonly [name: string, spoil: (files: SidecarFiles) => void, errors: readonly (string | RegExp)[]];

const REFUSALS: readonly Case[] = [
  [
    'without a configuration',
    (files) => rmSync(files.path('sallyport.yaml')),
    ['sallyport: `./sallyport.yaml`: no such file or directory'],
  ],
  [
    'with a configuration that says what nobody knows',
    (files) => files.write('sallyport.yaml', 'trustDoman: ai.example\n'),
    [
      /^\.\/sallyport\.yaml:1:1: `trustDomain` is missing/,
      ...['policy', 'listeners'].map((key) => new RegExp(`\`${key}\` is missing`)),
      /^\.\/sallyport\.yaml:1:1: unknown key `trustDoman`; did you mean `trustDomain`\? \[unknown-key\]$/,
    ],
  ],
  [
    'PF-123 without a policy',
    (files) => rmSync(files.path('policy.yaml')),
    ['./sallyport.yaml:7:17: `./policy.yaml`: no such file or directory [not-found]'],
  ],
  [
    'PF-123 with an empty policy',
    (files) => files.write('policy.yaml', ''),
    ['./policy.yaml:1:1: the file is empty [yaml-empty]'],
  ],
  [
    'PF-123 with a directory that has no policy',
    (files) => {
      rmSync(files.path('policy.yaml'));
      mkdirSync(files.path('policy.yaml'));
    },
    [/: there is no policy file; without one nothing is allowed \[no-policy\]$/],
  ],
  [
    'PF-130 with a policy that everyone may write',
    (files) => chmodSync(files.path('policy.yaml'), 0o666),
    [/^\.\/sallyport\.yaml:7:17: `\.\/policy\.yaml`: everyone on this machine may write it; .* \[world-writable\]$/],
  ],
  [
    'PF-130 with a private key that everyone may write',
    (files) => chmodSync(files.path('registry.key'), 0o602),
    [/^\.\/sallyport\.yaml:5:17: `\.\/registry\.key`: everyone on this machine may write it; .* \[world-writable\]$/],
  ],
  [
    'without a private key',
    (files) => rmSync(files.path('registry.key')),
    ['./sallyport.yaml:5:17: `./registry.key`: no such file or directory [not-found]'],
  ],
  [
    'with the private key of another certificate',
    (files) => files.write('registry.key', testAuthority().issue('/registry/other').privateKeyPem),
    [/^\.\/registry\.key: the private key is not that of the certificate in \.\/registry\.pem/],
  ],
  [
    'with a certificate of another trust domain',
    (files) => {
      const { certificatePem, privateKeyPem } = createTestAuthority('other.example').issue('/registry/proxy');
      files.write('registry.pem', certificatePem);
      files.write('registry.key', privateKeyPem);
    },
    [/^\.\/registry\.pem: .*`spiffe:\/\/other\.example\/registry\/proxy`.*`ai\.example`/],
  ],
  [
    'without a trust bundle',
    (files) => rmSync(files.path('bundle.pem')),
    ['./sallyport.yaml:6:33: `./bundle.pem`: no such file or directory [not-found]'],
  ],
  ['with an empty trust bundle', (files) => files.write('bundle.pem', ''), [/^\.\/bundle\.pem: .* \[empty-bundle\]$/]],
  [
    'with a component that the policy does not have, and a policy of a trust domain without a bundle',
    (files) => files.write('policy.yaml', POLICY.replaceAll('registry', 'store').replace('ai.example', 'b.example')),
    [
      /^\.\/sallyport\.yaml:11:16: the policy has no component `registry`, .* \[unknown-component\]$/,
      /^\.\/sallyport\.yaml:6:5: there is no bundle for `b\.example`, .* \[missing-trust-bundle\]$/,
    ],
  ],
  [
    'with several things wrong at once',
    (files) => {
      rmSync(files.path('registry.pem'));
      files.write('bundle.pem', 'none');
      files.write('policy.yaml', POLICY.replace('version: 1', 'version: 2').replace('[registry]', '[regstry]'));
    },
    [
      './sallyport.yaml:4:18: `./registry.pem`: no such file or directory [not-found]',
      /^\.\/bundle\.pem: /,
      /^\.\/policy\.yaml:1:10: /,
      /^\.\/policy\.yaml:5:23: .*`regstry`/,
    ],
  ],
];

// Tells on its last breath which packages were loaded.
const TELL_PACKAGES = `data:text/javascript,
import { registerHooks } from 'node:module';
const packages = new Set();
registerHooks({ resolve: (specifier, context, next) => {
  const found = next(specifier, context);
  const name = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(found.url)?.[1];
  if (name !== undefined) packages.add(name);
  return found;
} });
process.on('exit', () => process.stderr.write([...packages].join('\\n')));`;

it('a start loads no package that only other commands need', async () => {
  const files = writeSidecarFiles({ upstreamPort: 1, policy: POLICY, extra: '' });
  const sidecar = await runSidecar(files, ['--import', TELL_PACKAGES]);
  sidecar.signal('SIGTERM');
  await sidecar.exited;
  const packages = sidecar.errors.split('\n');
  expect(packages).toEqual(expect.arrayContaining(['commander', 'pino', 'prom-client', 'yaml', 'zod']));
  for (const name of ['undici', '@peculiar/x509', 'reflect-metadata', 'node-forge'])
    expect(packages).not.toContain(name);
  await sidecar.stop();
});

describe.concurrent('a start is refused', () => {
  it.each(REFUSALS)('%s', async (_name, spoil, expected) => {
    const errors = await refusalOf(spoil);
    expect(errors).toEqual(expected.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line))));
  });

  it.each(['listener', 'admin listener'])('when the port of the %s is taken', async (which) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const bind = `127.0.0.1:${port}`;
    const isAdmin = which !== 'listener';
    const files = writeSidecarFiles({
      upstreamPort: 1,
      policy: POLICY,
      extra: '',
      ...(isAdmin ? { admin: bind } : { bind }),
    });
    const { exitCode, errors } = await runToEnd(files);
    taken.close();
    files.remove();
    expect(exitCode).toBe(1);
    expect(errors.replaceAll(files.directory, '.')).toBe(
      `./sallyport.yaml:${isAdmin ? '13:16' : '10:11'}: cannot listen on \`${bind}\`: something else listens there already (EADDRINUSE) [cannot-listen]\n`,
    );
  });
});
