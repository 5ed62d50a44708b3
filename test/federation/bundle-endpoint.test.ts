import { connect as connectTcp } from 'node:net';
import { type IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { connect, type ConnectionOptions, type PeerCertificate, TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import {
  BundleEndpoint,
  type BundleEndpointOptions,
  type EndpointCredential,
} from '../../src/federation/bundle-endpoint.ts';
import { parseWebCredential } from '../../src/federation/web-credential.ts';
import { parseBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { type OwnIdentity, parseOwnIdentity } from '../../src/spiffe/own-identity.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { createTestAuthority, testAuthority, type TestSvid } from '../support/svid-fixtures.ts';
import { documentOf } from './documents.ts';
import { FakeTime } from './fake-time.ts';

const own = parseTrustDomain('ai.example');
const US = testAuthority('ai.example');
const NEXT = createTestAuthority('ai.example');
const PARTNER = testAuthority('partner.example');

function identityOf({ certificatePem, privateKeyPem }: TestSvid): OwnIdentity {
  const source = {
    certificate: Buffer.from(certificatePem),
    certificateFile: 'own.pem',
    privateKey: Buffer.from(privateKeyPem),
    privateKeyFile: 'own.key',
  };
  return parseOwnIdentity(source, own);
}

function bundlesOf(...authorities: readonly string[]): TrustBundles {
  const partner = documentOf('partner.example', { authorities: [PARTNER.certificatePem] }).bundle;
  const ours = documentOf('ai.example', { authorities }).bundle;
  return new Map([
    [partner.trustDomain, partner],
    [own, ours],
  ]);
}

const endpoints: BundleEndpoint[] = [];
afterEach(async () => {
  await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
});

interface Serving {
  readonly endpoint: BundleEndpoint;
  readonly port: number;
  readonly identity: SnapshotCell<OwnIdentity | null>;
  readonly trust: SnapshotCell<TrustBundles>;
  readonly time: FakeTime;
}

async function serve(more: Partial<BundleEndpointOptions> = {}): Promise<Serving> {
  const identity = new SnapshotCell<OwnIdentity | null>(identityOf(US.issue('/bundle')));
  const trust = new SnapshotCell<TrustBundles>(bundlesOf(US.certificatePem));
  const time = new FakeTime();
  const endpoint = new BundleEndpoint({
    host: '127.0.0.1',
    port: 0,
    path: '/bundle.json',
    credential: { kind: 'https_spiffe', identity },
    trustDomain: own,
    trust,
    refreshHintMs: 300_000,
    clock: time.clock,
    schedule: time.schedule,
    onError: (error) => {
      throw error;
    },
    ...more,
  });
  endpoints.push(endpoint);
  const { port } = await endpoint.listen();
  return { endpoint, port, identity, trust, time };
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly certificate: PeerCertificate;
}

function ask(port: number, { path = '/bundle.json', method = 'GET', headers = {}, body = '' } = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false, rejectUnauthorized: false };
    const outgoing = request(options, (incoming) => {
      const socket = incoming.socket;
      const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate() : null;
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => (text += chunk));
      incoming.on('end', () => {
        if (certificate === null) reject(new Error('not TLS'));
        else resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text, certificate });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

describe('our bundle', () => {
  it('is served as a document of ours alone, with sequence and hint, and never the bundle of somebody else', async () => {
    const { port, endpoint, trust } = await serve();
    const { status, headers, body } = await ask(port);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'max-age=300',
      'content-length': String(Buffer.byteLength(body)),
      connection: 'close',
    });
    expect(parseBundleDocument(own, Buffer.from(body), 'us')).toEqual({
      bundle: trust.current.value.get(own),
      sequence: endpoint.sequence,
      refreshHintMs: 300_000,
    });
    expect(body).not.toContain(PARTNER.certificatePem.split('\n')[1]);
  });

  it('is served to HEAD without a body', async () => {
    const { port } = await serve();
    const { body, headers } = await ask(port);
    const head = await ask(port, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(head.headers['content-length']).toBe(headers['content-length']);
    expect(body).not.toBe('');
  });

  it('changes its sequence when it changes, and only then', async () => {
    const { port, endpoint, trust, time } = await serve();
    const first = endpoint.sequence;
    expect(first).toBe(BigInt(Math.floor(time.clock.wallMs() / 1000)));
    time.advance(60_000);
    const [partner] = bundlesOf();
    trust.swap(new Map([...bundlesOf(US.certificatePem)].filter(([trustDomain]) => trustDomain !== partner?.[0])));
    expect(endpoint.sequence).toBe(first);
    trust.swap(bundlesOf(US.certificatePem, NEXT.certificatePem));
    expect(endpoint.sequence).toBe((first ?? 0n) + 60n);
    const { body } = await ask(port);
    expect(parseBundleDocument(own, Buffer.from(body), 'us').bundle.authorities).toHaveLength(2);
  });

  it.each<[string, TrustBundles]>([
    ['is not known', new Map()],
    ['has no authority', bundlesOf()],
  ])('is 503 while it %s: an empty one would revoke us at every partner', async (_name, bundles) => {
    const { port, endpoint, trust } = await serve();
    const before = endpoint.sequence ?? 0n;
    trust.swap(bundles);
    expect(endpoint.sequence).toBeNull();
    const { status, headers, body } = await ask(port);
    expect([status, headers['cache-control'], body.includes('keys')]).toEqual([503, 'no-store', false]);
    trust.swap(bundlesOf(NEXT.certificatePem));
    expect(endpoint.sequence).toBeGreaterThan(before);
    expect((await ask(port)).status).toBe(200);
  });

  it('is 503 when it was never known', async () => {
    const { port } = await serve({ trust: new SnapshotCell<TrustBundles>(new Map()) });
    expect((await ask(port)).status).toBe(503);
  });
});

describe('everything else', () => {
  it.each([
    ['/', 404],
    ['/bundle.json/', 404],
    ['/bundle.JSON', 404],
    ['//bundle.json', 404],
    ['/x/../bundle.json', 404],
    ['/%62undle.json', 404],
    ['https://127.0.0.1/bundle.json', 404],
    ['/bundle.json?x=1', 200],
  ])('at %s is %i', async (path, status) => {
    const { port } = await serve();
    expect((await ask(port, { path })).status).toBe(status);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND'])('by %s is 405', async (method) => {
    const { port } = await serve();
    const { status, headers } = await ask(port, { method });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    expect((await ask(port, { method, path: '/elsewhere' })).status).toBe(404);
  });

  it('with a body is answered without reading it', async () => {
    const { port } = await serve();
    expect((await ask(port, { method: 'GET', body: 'x'.repeat(100) })).status).toBe(200);
  });
});

describe('who serves it', () => {
  it('has our own SVID, the new one from the next handshake on after a rotation', async () => {
    const { port, identity } = await serve();
    expect((await ask(port)).certificate.subjectaltname).toBe('URI:spiffe://ai.example/bundle');
    identity.swap(identityOf(NEXT.issue('/rotated')));
    expect((await ask(port)).certificate.subjectaltname).toBe('URI:spiffe://ai.example/rotated');
  });

  it('is nobody while our SVID is not ours to use', async () => {
    const { port, identity } = await serve();
    identity.swap(null);
    await expect(ask(port)).rejects.toThrow(/handshake failure/);
    identity.swap(identityOf(US.issue('/bundle')));
    expect((await ask(port)).status).toBe(200);
  });

  it('begins as nobody when there is no SVID yet', async () => {
    const { port } = await serve({
      credential: { kind: 'https_spiffe', identity: new SnapshotCell<OwnIdentity | null>(null) },
    });
    await expect(ask(port)).rejects.toThrow(/handshake failure/);
  });

  it('has the given certificate for https_web, and the next one when that is renewed', async () => {
    const web = createTestAuthority('web', { uris: [] });
    const credentialFor = (name: string): ReturnType<typeof parseWebCredential> => {
      const { certificatePem, privateKeyPem } = web.issue('/', { uris: [], dns: [name] });
      return parseWebCredential({
        certificate: Buffer.from(certificatePem),
        certificateFile: 'web.pem',
        privateKey: Buffer.from(privateKeyPem),
        privateKeyFile: 'web.key',
      });
    };
    const credential = new SnapshotCell(credentialFor('bundles.ai.example'));
    const { port } = await serve({ credential: { kind: 'https_web', credential } satisfies EndpointCredential });
    expect((await ask(port)).certificate.subjectaltname).toBe('DNS:bundles.ai.example');
    credential.swap(credentialFor('renewed.ai.example'));
    expect((await ask(port)).certificate.subjectaltname).toBe('DNS:renewed.ai.example');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'resumes no session of %s, so that a rotation is seen',
    async (maxVersion) => {
      const { port } = await serve();
      const first = await visit(port, { maxVersion });
      expect(first.protocol).toBe(maxVersion);
      const { session } = first;
      expect(session).toBeInstanceOf(Buffer);
      const second = await visit(port, { maxVersion, ...(session === undefined ? {} : { session }) });
      expect([second.status, second.isResumed]).toEqual(['HTTP/1.1 200 OK', false]);
    },
  );

  it('speaks nothing older than TLS 1.2', async () => {
    const { port } = await serve();
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await expect(visit(port, old)).rejects.toThrow(/protocol version|handshake failure/);
  });

  it('keeps to suites with forward secrecy', async () => {
    const { port } = await serve();
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256' } as const;
    await expect(visit(port, weak)).rejects.toThrow(/handshake failure/);
  });
});

interface Visit {
  readonly protocol: string | null;
  readonly session: Buffer | undefined;
  readonly isResumed: boolean;
  readonly status: string;
}

/** One request, with whatever TLS a test wants spoken. */
function visit(port: number, offer: ConnectionOptions): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...offer });
    let session: Buffer | undefined;
    let text = '';
    socket.on('session', (ticket) => (session = ticket));
    socket.once('secureConnect', () => {
      const [protocol, isResumed] = [socket.getProtocol(), socket.isSessionReused()];
      socket.end('GET /bundle.json HTTP/1.1\r\nhost: x\r\n\r\n');
      socket.once('close', () => resolve({ protocol, isResumed, session, status: text.split('\r\n')[0] ?? '' }));
    });
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.once('error', reject);
  });
}

describe('limits', () => {
  it('keep one request a connection', async () => {
    const { port } = await serve();
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    const head = 'GET /bundle.json HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\n\r\n';
    socket.write(head + head);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
  });

  it('keep heads short', async () => {
    const { port } = await serve();
    expect((await ask(port, { headers: { x: 'y'.repeat(9 * 1024) } })).status).toBe(431);
  });

  it('end a connection after 20 s, however busy it pretends to be', async () => {
    const { port, time, endpoint } = await serve();
    const slow = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    await new Promise((resolve) => slow.once('secureConnect', resolve));
    slow.on('error', () => undefined);
    slow.write('GET /bundle');
    time.advance(19_999);
    expect(slow.destroyed).toBe(false);
    const cut = new Promise((resolve) => slow.once('close', resolve));
    time.advance(1);
    await cut;
    await endpoint.close();
    endpoints.splice(0);
    expect(time.pending).toBe(0);
  });

  it('do not hold up an end: connections that say nothing are cut', async () => {
    const { port, endpoint } = await serve();
    const silent = connectTcp(port, '127.0.0.1');
    await new Promise((resolve) => silent.once('connect', resolve));
    const half = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    await new Promise((resolve) => half.once('secureConnect', resolve));
    half.on('error', () => undefined);
    silent.on('error', () => undefined);
    const cut = Promise.all([silent, half].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    await endpoint.close();
    await cut;
    expect(endpoints.splice(0)).toEqual([endpoint]);
    await expect(ask(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

it('says as the system does when its address is taken', async () => {
  const { port } = await serve();
  await expect(serve({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

it('follows nothing after its end', async () => {
  const { endpoint, trust } = await serve();
  const { sequence } = endpoint;
  await endpoint.close();
  endpoints.splice(0);
  trust.swap(bundlesOf(NEXT.certificatePem));
  expect(endpoint.sequence).toBe(sequence);
});
