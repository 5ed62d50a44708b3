import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readFileGroup, type GroupReading } from '../../src/files/file-group.ts';
import { nodeFileSystem } from '../../src/files/file-system.ts';
import {
  ownIdentityGroup,
  parseOwnIdentityFiles,
  parseTrustBundleFiles,
  trustBundleGroup,
  TrustBundleFilesError,
  type LoadedOwnIdentity,
} from '../../src/files/identity-files.ts';
import { openFileGroup, type ReloadEvent } from '../../src/files/watch-file-group.ts';
import { OwnIdentityError } from '../../src/spiffe/own-identity.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { createTestAuthority, testAuthority, type TestSvid } from '../support/svid-fixtures.ts';
import { FakeWatchPort } from './fake-watch-port.ts';
import { interposeFileSystem } from './interposed-file-system.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

const OWN = parseTrustDomain('ai.example');
const OTHER = parseTrustDomain('other.example');

let directory: TemporaryDirectory;
beforeEach(() => {
  directory = new TemporaryDirectory();
});
afterEach(() => directory.remove());

const paths = (): { certificate: string; privateKey: string } => ({
  certificate: directory.at('tls.crt'),
  privateKey: directory.at('tls.key'),
});

function filesOf(svid: TestSvid): Readonly<Record<string, string>> {
  return { 'tls.crt': svid.certificatePem, 'tls.key': svid.privateKeyPem };
}

function writeSvid(svid: TestSvid): void {
  for (const [name, contents] of Object.entries(filesOf(svid))) directory.write(name, contents);
}

async function readIdentity(): Promise<LoadedOwnIdentity> {
  return parseOwnIdentityFiles(await readFileGroup(ownIdentityGroup(paths()), nodeFileSystem), paths(), OWN);
}

async function readBundles(files: ReadonlyMap<typeof OWN, string>): Promise<TrustBundles> {
  return parseTrustBundleFiles(await readFileGroup(trustBundleGroup(files), nodeFileSystem), files);
}

describe('parseOwnIdentityFiles', () => {
  it('gives the identity of a certificate and its key', async () => {
    const svid = testAuthority().issue('/registry/main');
    writeSvid(svid);
    const { identity, warnings } = await readIdentity();
    expect(identity.svid).toMatchObject({ id: 'spiffe://ai.example/registry/main', leafSha256: svid.leafSha256 });
    expect(warnings).toEqual([]);
  });

  it('refuses a key that is not that of the certificate, and says which files', async () => {
    writeSvid(testAuthority().issue('/registry/main'));
    directory.write('tls.key', testAuthority().issue('/registry/main').privateKeyPem);
    const failure = readIdentity();
    await expect(failure).rejects.toThrow(OwnIdentityError);
    await expect(failure).rejects.toThrow(directory.at('tls.key'));
  });

  it('names the file and the line of a broken block', async () => {
    const svid = testAuthority().issue('/registry/main');
    writeSvid(svid);
    directory.write('tls.crt', `\n${svid.certificatePem.replace('MII', '?II')}`);
    await expect(readIdentity()).rejects.toThrow(new RegExp(`^${directory.at('tls.crt')}:[23]: `));
  });

  it('PF-130 warns of a private key that more than its owner may read', async () => {
    writeSvid(testAuthority().issue('/registry/main'));
    const warningsAt = async (mode: number): Promise<readonly string[]> => {
      chmodSync(directory.at('tls.key'), mode);
      chmodSync(directory.at('tls.crt'), 0o644);
      return (await readIdentity()).warnings.map(({ code, message }) => `${code}: ${message}`);
    };
    const warning = (mode: string): string =>
      `readable-private-key: the private key \`${directory.at('tls.key')}\` may be read by more than need to; its permissions are ${mode}, 0600 is enough`;
    expect(await warningsAt(0o600)).toEqual([]);
    expect(await warningsAt(0o400)).toEqual([]);
    expect(await warningsAt(0o640)).toEqual([warning('0640')]);
    expect(await warningsAt(0o604)).toEqual([warning('0604')]);
    await expect(warningsAt(0o602)).rejects.toThrow('everyone on this machine may write it');
  });

  it('PF-130 does not warn of a private key that is ours only through its group', async () => {
    writeSvid(testAuthority().issue('/registry/main'));
    const reading = await readFileGroup(ownIdentityGroup(paths()), nodeFileSystem);
    const warningsAt = (mode: number): readonly string[] => {
      const files = reading.files.map((file) => ({ ...file, mode, isOurs: false }));
      return parseOwnIdentityFiles({ ...reading, files }, paths(), OWN).warnings.map(({ message }) => message);
    };
    expect(warningsAt(0o440)).toEqual([]);
    expect(warningsAt(0o444)).toEqual([expect.stringContaining('its permissions are 0444, 0640 is enough')]);
  });
});

describe('parseTrustBundleFiles', () => {
  it('gives one bundle for each trust domain, never merged', async () => {
    directory.write('own.pem', testAuthority('ai.example').certificatePem);
    directory.write('other.pem', testAuthority('other.example').certificatePem);
    const bundles = await readBundles(
      new Map([
        [OWN, directory.at('own.pem')],
        [OTHER, directory.at('other.pem')],
      ]),
    );
    expect([...bundles].map(([name, { authorities }]) => [name, authorities.length])).toEqual([
      ['ai.example', 1],
      ['other.example', 1],
    ]);
    expect(bundles.get(OWN)?.authorities[0]?.sha256).not.toBe(bundles.get(OTHER)?.authorities[0]?.sha256);
  });

  it('reads a SPIFFE bundle document as well as PEM, also one that revokes its whole trust domain', async () => {
    const bundles = await readBundles(
      new Map([
        [OWN, directory.write('own.pem', testAuthority().certificatePem)],
        [OTHER, directory.write('other.json', '{"keys":[]}')],
      ]),
    );
    expect([...bundles.values()].map(({ authorities }) => authorities.length)).toEqual([1, 0]);
  });

  it('reads one file for two trust domains', async () => {
    const path = directory.write('shared.pem', testAuthority().certificatePem);
    const bundles = await readBundles(
      new Map([
        [OWN, path],
        [OTHER, path],
      ]),
    );
    expect(bundles.size).toBe(2);
  });

  it('CE-48 refuses all when one is broken or empty, and names every such file', async () => {
    directory.write('own.pem', testAuthority().certificatePem);
    directory.write('cut.pem', testAuthority().certificatePem.slice(0, 300));
    directory.write('empty.pem', '');
    const failure = readBundles(
      new Map([
        [OWN, directory.at('own.pem')],
        [OTHER, directory.at('cut.pem')],
        [parseTrustDomain('third.example'), directory.at('empty.pem')],
      ]),
    );
    await expect(failure).rejects.toThrow(TrustBundleFilesError);
    const errors = await failure.then(
      () => [],
      (error: unknown) => (error instanceof TrustBundleFilesError ? error.errors : []),
    );
    expect(errors.map(({ code }) => code)).toEqual(['pem-truncated', 'empty-bundle']);
    expect(errors.map(({ message }) => message.split(':')[0])).toEqual([
      directory.at('cut.pem'),
      directory.at('empty.pem'),
    ]);
  });

  it('CE-47 gives the bundles without an authority that was taken out of its file', async () => {
    const before = createTestAuthority('ai.example');
    const after = createTestAuthority('ai.example');
    const files = new Map([[OWN, directory.write('own.pem', before.certificatePem + after.certificatePem)]]);
    const port = new FakeWatchPort();
    const parse = (reading: GroupReading): TrustBundles => parseTrustBundleFiles(reading, files);
    const watch = await openFileGroup({ group: trustBundleGroup(files), parse, port });
    const loaded: TrustBundles[] = [watch.initial];
    watch.follow((event) => {
      if (event.kind === 'loaded') loaded.push(event.value);
    });
    directory.replace('own.pem', after.certificatePem);
    await port.pass(500);
    watch.close();
    expect(loaded.map((bundles) => bundles.get(OWN)?.authorities.length)).toEqual([2, 1]);
  });
});

describe('TL-64: own identity that is rotated while it is read', () => {
  interface Rotation {
    readonly loads: readonly LoadedOwnIdentity[];
    readonly events: readonly ReloadEvent<LoadedOwnIdentity>[];
  }

  /** Watches the identity while it is rotated: the next step is taken before every `every`th question to the file system. */
  async function watchWhileRotating(
    every: number,
    stepsTo: (svid: TestSvid) => readonly (() => void)[],
  ): Promise<Rotation> {
    const svids = Array.from({ length: 12 }, (_, index) => testAuthority().issue(`/registry/${index}`));
    const [first, ...others] = svids;
    if (first === undefined) throw new Error('no SVID');
    for (const step of stepsTo(first)) step();
    const steps = others.flatMap(stepsTo);
    let questions = 0;
    let isRotating = false;
    const port = new FakeWatchPort(
      interposeFileSystem(() => {
        if (!isRotating) return;
        questions += 1;
        if (questions % every === 0) steps.shift()?.();
      }),
    );
    const loads: LoadedOwnIdentity[] = [];
    const events: ReloadEvent<LoadedOwnIdentity>[] = [];
    const parse = (reading: GroupReading): LoadedOwnIdentity => parseOwnIdentityFiles(reading, paths(), OWN);
    const watch = await openFileGroup({ group: ownIdentityGroup(paths()), parse, port });
    loads.push(watch.initial);
    watch.follow((event) => {
      events.push(event);
      if (event.kind === 'loaded') loads.push(event.value);
    });
    isRotating = true;
    while (steps.length > 0) await port.look();
    await port.pass(5_000);
    watch.close();
    for (const { identity } of loads) {
      const leaf = new X509Certificate(identity.certificatePem);
      expect(leaf.checkPrivateKey(createPrivateKey(identity.privateKeyPem))).toBe(true);
    }
    expect(loads.at(-1)?.identity.svid.leafSha256).toBe(svids.at(-1)?.leafSha256);
    return { loads, events };
  }

  it.each([1, 2, 3, 5, 7, 11, 13, 29])(
    'TL-64 a volume switched at every %ith question never gives a certificate with the key of another, nor a failure',
    async (every) => {
      const { events } = await watchWhileRotating(every, (svid) => [
        () => directory.publish(filesOf(svid), 'keep-old'),
      ]);
      expect(events.filter(({ kind }) => kind !== 'loaded')).toEqual([]);
      expect(events.length).toBeGreaterThan(0);
    },
  );

  it.each([2, 7, 13])(
    'TL-64 a volume whose old generation is removed at every %ith question never gives a certificate with the key of another',
    async (every) => {
      await watchWhileRotating(every, (svid) => [() => directory.publish(filesOf(svid), 'remove-old')]);
    },
  );

  it.each([3, 7, 13, 29])(
    'TL-64 two files renamed one after the other at every %ith question never give a certificate with the key of another',
    async (every) => {
      await watchWhileRotating(every, ({ certificatePem, privateKeyPem }) => [
        () => directory.replace('tls.crt', certificatePem),
        () => directory.replace('tls.key', privateKeyPem),
      ]);
    },
  );
});
