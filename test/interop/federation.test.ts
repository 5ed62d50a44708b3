// Federation with the SPIFFE project's own Go library on the other side: it fetches from our endpoint, and we from its.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import { BundleEndpoint, type EndpointCredential } from '../../src/federation/bundle-endpoint.ts';
import type { EndpointAuthentication } from '../../src/federation/endpoint-connection.ts';
import { FederationError } from '../../src/federation/federation-error.ts';
import { createFetchDocument } from '../../src/federation/fetch-document.ts';
import { parseWebCredential } from '../../src/federation/web-credential.ts';
import { type BundleDocument, formatBundleDocument, parseBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { type OwnIdentity, parseOwnIdentity } from '../../src/spiffe/own-identity.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem, type TrustBundle, type TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { createTestAuthority, testAuthority, type TestSvid } from '../support/svid-fixtures.ts';

interface Answer {
  readonly message: string;
  readonly authorities: readonly string[] | null;
  readonly jwtKeyIds: readonly string[] | null;
  readonly sequence: number;
  readonly refreshHint: number;
  readonly port: number;
}

const BUILD_MS = 110_000;
const directory = mkdtempSync(join(tmpdir(), 'sallyport-go-federation-'));
const program = join(directory, 'partner');
let whyNot: string | null = null;
let partner: ChildProcess | null = null;
let answers: AsyncIterator<string> | null = null;

beforeAll(
  () => {
    const options = { cwd: join(import.meta.dirname, 'federation'), encoding: 'utf8', timeout: BUILD_MS } as const;
    const environment = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -buildvcs=false' };
    // First from the module cache alone: without network that answers at once, where a download would wait.
    for (const proxy of [{ GOPROXY: 'off' }, {}]) {
      const built = spawnSync('go', ['build', '-o', program, '.'], { ...options, env: { ...environment, ...proxy } });
      if (built.error !== undefined) whyNot = 'Go is missing';
      else if (built.status !== 0) whyNot = 'go-spiffe cannot be built';
      else whyNot = null;
      if (whyNot !== 'go-spiffe cannot be built') break;
    }
    if (whyNot !== null) return;
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'ignore'] });
    partner = child;
    answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  },
  2 * BUILD_MS + 10_000,
);

afterAll(() => {
  partner?.kill();
  rmSync(directory, { recursive: true });
});

async function askPartner(question: object, { skip }: Pick<TestContext, 'skip'>): Promise<Answer> {
  if (whyNot !== null) skip(whyNot);
  partner?.stdin?.write(`${JSON.stringify(question)}\n`);
  const line = await answers?.next();
  return JSON.parse(line?.value ?? '{"message":"the partner has ended"}');
}

const OURS = parseTrustDomain('ai.example');
const THEIRS = parseTrustDomain('partner.example');
const US = testAuthority('ai.example');
const PARTNER = testAuthority('partner.example');
const WEB = createTestAuthority('web', { uris: [] });
const HOST_CERTIFICATE = WEB.issue('/', { uris: [], ips: ['127.0.0.1'] });

function bundleOf(trustDomain: string, ...pems: readonly string[]): TrustBundle {
  const own = parseTrustDomain(trustDomain);
  const jwtKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
  const jwtAuthorities = new Map([['key-1', { keyId: 'key-1', publicKey: jwtKey }]]);
  return { ...parseTrustBundlePem(own, Buffer.from(pems.join('')), 'bundle.pem'), jwtAuthorities };
}

const documentOf = (bundle: TrustBundle): BundleDocument => ({ bundle, sequence: 42n, refreshHintMs: 600_000 });

async function serveOurs(credential: EndpointCredential, bundle: TrustBundle): Promise<string> {
  const endpoint = new BundleEndpoint({
    host: '127.0.0.1',
    port: 0,
    path: '/bundle.json',
    credential,
    trustDomain: OURS,
    trust: new SnapshotCell<TrustBundles>(new Map([[OURS, bundle]])),
    refreshHintMs: 120_000,
    clock: systemClock,
    schedule: systemSchedule,
    onError: (error) => {
      throw error;
    },
  });
  onTestFinished(() => endpoint.close());
  const { port } = await endpoint.listen();
  return `https://127.0.0.1:${port}/bundle.json`;
}

function ourSvid({ certificatePem, privateKeyPem }: TestSvid): EndpointCredential {
  const source = {
    certificate: Buffer.from(certificatePem),
    certificateFile: 'own.pem',
    privateKey: Buffer.from(privateKeyPem),
    privateKeyFile: 'own.key',
  };
  return { kind: 'https_spiffe', identity: new SnapshotCell<OwnIdentity | null>(parseOwnIdentity(source, OURS)) };
}

describe('go-spiffe fetches from us (skipped without Go or its module)', () => {
  const bundle = bundleOf('ai.example', US.certificatePem, createTestAuthority('ai.example').certificatePem);
  const served = {
    message: '',
    authorities: bundle.authorities.map(({ sha256 }) => sha256),
    jwtKeyIds: ['key-1'],
    refreshHint: 120,
  };
  const trusted = formatBundleDocument(documentOf(bundle));

  it('as https_spiffe, through an intermediate', async (context) => {
    const url = await serveOurs(ourSvid(US.intermediate().issue('/bundle')), bundle);
    const endpointId = 'spiffe://ai.example/bundle';
    const terms = { trustDomain: 'ai.example', url, bundle: trusted };
    const answer = await askPartner({ fetch: { ...terms, endpointId } }, context);
    expect(answer).toMatchObject(served);
    expect(answer.sequence).toBeGreaterThan(1_700_000_000);
    const other = await askPartner({ fetch: { ...terms, endpointId: `${endpointId}s` } }, context);
    expect(other.message).toContain('unexpected ID "spiffe://ai.example/bundle"');
  });

  it('as https_web', async (context) => {
    const credential = parseWebCredential({
      certificate: Buffer.from(HOST_CERTIFICATE.certificatePem),
      certificateFile: 'web.pem',
      privateKey: Buffer.from(HOST_CERTIFICATE.privateKeyPem),
      privateKeyFile: 'web.key',
    });
    const url = await serveOurs({ kind: 'https_web', credential: new SnapshotCell(credential) }, bundle);
    const fetch = { trustDomain: 'ai.example', url, roots: WEB.certificatePem };
    expect(await askPartner({ fetch }, context)).toMatchObject(served);
  });
});

describe('we fetch from go-spiffe (skipped without Go or its module)', () => {
  const bundle = bundleOf('partner.example', PARTNER.certificatePem);

  async function fetchTheirs(
    profile: EndpointAuthentication['kind'],
    authentication: EndpointAuthentication,
    context: TestContext,
  ): Promise<BundleDocument | string> {
    const { certificatePem, privateKeyPem } =
      profile === 'https_web' ? HOST_CERTIFICATE : PARTNER.intermediate().issue('/bundle');
    const serve = {
      trustDomain: 'partner.example',
      bundle: formatBundleDocument(documentOf(bundle)),
      certificate: certificatePem,
      privateKey: privateKeyPem,
      profile,
    };
    const { port, message } = await askPartner({ serve }, context);
    expect(message).toBe('');
    const url = new URL(`https://127.0.0.1:${port}/`);
    try {
      const signal = new AbortController().signal;
      const { body } = await createFetchDocument(systemClock)({ url, authentication, signal });
      return parseBundleDocument(THEIRS, body, url.href);
    } catch (error) {
      if (error instanceof FederationError) return error.code;
      throw error;
    }
  }

  it('as https_spiffe', async (context) => {
    const endpointId = parseSpiffeId('spiffe://partner.example/bundle');
    const fetched = await fetchTheirs('https_spiffe', { kind: 'https_spiffe', endpointId, bundle }, context);
    expect(fetched).toEqual(documentOf(bundle));
    const otherId = parseSpiffeId('spiffe://partner.example/bundles');
    const refused = await fetchTheirs('https_spiffe', { kind: 'https_spiffe', endpointId: otherId, bundle }, context);
    expect(refused).toBe('untrusted-endpoint');
  });

  it('as https_web', async (context) => {
    const ca = Buffer.from(WEB.certificatePem);
    expect(await fetchTheirs('https_web', { kind: 'https_web', ca }, context)).toEqual(documentOf(bundle));
    const stranger = Buffer.from(PARTNER.certificatePem);
    expect(await fetchTheirs('https_web', { kind: 'https_web', ca: stranger }, context)).toBe('untrusted-endpoint');
  });
});
