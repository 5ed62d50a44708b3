// What Envoy is answered, asked by grpc-js over a Unix socket.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GrpcService } from '../../src/extauthz/grpc-service.ts';
import { MAX_MESSAGE_BYTES } from '../../src/extauthz/grpc-call.ts';
import { CHECK_REQUEST } from '../../src/extauthz/messages.ts';
import { Revocations } from '../../src/revocation/revocations.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { ARTICLE_POLICY, bundlesOf, compilePolicy } from '../support/proxy-fixture.ts';
import { createTestAuthority, expired, testAuthority } from '../support/svid-fixtures.ts';
import {
  type Asked,
  checkOf,
  EnvoyClient,
  escapedPem,
  fieldsOf,
  leafPem,
  openSetting,
  type Setting,
  statusOf,
  temporaryDirectory,
} from './setting.ts';

const directory = temporaryDirectory();
const socket = join(directory, 'authz.sock');
const job = testAuthority().issue('/training/job');
const reader = testAuthority().issue('/inference/server');
const UPGRADES = compilePolicy(
  ARTICLE_POLICY.replace('[registry, feature-store]', '[{ target: registry, upgrades: [websocket] }]'),
);
const JOB_ID = 'spiffe://ai.example/training/job';

let setting: Setting;
let service: GrpcService;
let envoy: EnvoyClient;

beforeAll(async () => {
  setting = openSetting();
  service = new GrpcService(setting.context, { kind: 'unix', path: socket, mode: 0o600 });
  await service.listen();
  envoy = new EnvoyClient(`unix:${socket}`);
});
afterAll(() => {
  envoy.close();
  service.close();
});
beforeEach(() => {
  setting.unproven.length = 0;
  setting.recorder.requests.length = 0;
});

const ask = async (asked: Asked): Promise<number> => statusOf(await envoy.check(checkOf(asked)));

/** Each field once, as in a check. */
function fieldList(fields: Readonly<Record<string, string>>): { key: string; value: string }[] {
  return Object.entries(fields).map(([key, value]) => ({ key, value }));
}

describe('a check', () => {
  it('of a request to upgrade is judged as one', async () => {
    const toUpgrade = { http: { headers: fieldList({ upgrade: 'WebSocket', connection: 'keep-alive, Upgrade' }) } };
    expect(await ask({ svid: job })).toBe(200);
    expect(await ask({ svid: job, ...toUpgrade })).toBe(403);
    setting.policy.swap(UPGRADES);
    expect(await ask({ svid: job })).toBe(403);
    expect(await ask({ svid: job, ...toUpgrade })).toBe(200);
    expect(setting.recorder.requests.map(({ upgrade }) => upgrade)).toEqual([null, 'websocket', null, 'websocket']);
    setting.policy.swap(compilePolicy(ARTICLE_POLICY));
  });

  it('that the matrix allows is answered with who asks, and the peer’s own words for that taken out', async () => {
    const names = [
      'x-spiffe-id',
      'x_spiffe_id',
      'client-cert',
      'x-forwarded-user',
      'x-sallyport-role',
      'x-forwarded-client-cert',
      'x-forwarded-for',
      'x-envoy-attempt-count',
      'traceparent',
      'http2-settings',
      'proxy-authorization',
      'accept',
      'te',
    ];
    const { headers } = checkOf({}).attributes?.request?.http ?? { headers: [] };
    const answer = await envoy.check(
      checkOf({ svid: job, http: { headers: [...headers, ...names.map((key) => ({ key, value: 'x' }))] } }),
    );
    expect(statusOf(answer)).toBe(200);
    expect(answer.ok?.headers.map(({ appendAction }) => appendAction)).toEqual([2, 2, 2]);
    expect(fieldsOf(answer)).toEqual({
      'x-spiffe-id': JOB_ID,
      'x-sallyport-component': 'training',
      'x-sallyport-decision-id': setting.recorder.requests[0]?.decisionId,
    });
    expect(answer.ok?.headersToRemove).toEqual(['x_spiffe_id', 'client-cert', 'x-forwarded-user', 'x-sallyport-role']);
    expect(setting.recorder.requests).toEqual([
      expect.objectContaining({
        listener: 'checks',
        principal: JOB_ID,
        method: 'GET',
        path: '/models/1',
        authority: 'registry.example',
        status: 200,
        refusal: null,
        decision: expect.objectContaining({ effect: 'allow', target: 'registry' }),
      }),
    ]);
  });

  it('that the matrix denies is answered as the proxy answers, with the decision id', async () => {
    const answer = await envoy.check(checkOf({ svid: reader, method: 'PUT' }));
    expect(answer.status?.code).toBe(7);
    expect(statusOf(answer)).toBe(403);
    const { decisionId } = setting.recorder.requests[0] ?? {};
    expect(JSON.parse(answer.denied?.body ?? '')).toEqual({
      type: 'about:blank',
      title: 'Forbidden',
      status: 403,
      decisionId,
    });
    expect(fieldsOf(answer)).toEqual({
      'content-type': 'application/problem+json',
      'x-sallyport-decision-id': decisionId,
      'cache-control': 'no-store',
    });
  });

  it('is decided by what is in force when it is asked', async () => {
    const own = setting.identity.current.value;
    expect(await ask({ svid: job })).toBe(200);
    setting.policy.swap(compilePolicy(ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'deny: [registry]')));
    expect(await ask({ svid: job })).toBe(403);
    setting.policy.swap(compilePolicy(ARTICLE_POLICY));
    expect(await ask({ svid: job })).toBe(200);
    setting.trust.swap(bundlesOf([createTestAuthority('ai.example')]));
    expect(await ask({ svid: job })).toBe(401);
    setting.trust.swap(bundlesOf([testAuthority()]));
    expect(await ask({ svid: job })).toBe(200);
    const none = setting.revocations.current.value;
    setting.revocations.swap(revoking(JOB_ID));
    expect(await ask({ svid: job })).toBe(401);
    setting.revocations.swap(none);
    expect(await ask({ svid: job })).toBe(200);
    setting.identity.swap(null);
    expect(await ask({ svid: job })).toBe(503);
    setting.identity.swap(own);
    expect(await ask({ svid: job })).toBe(200);
  });

  it('in shadow lets through what would be denied, and records that', async () => {
    setting.policy.swap(compilePolicy(ARTICLE_POLICY, 'shadow'));
    expect(await ask({ svid: reader, method: 'PUT' })).toBe(200);
    expect(setting.recorder.requests[0]?.decision?.effect).toBe('would-deny');
    setting.policy.swap(compilePolicy(ARTICLE_POLICY));
  });

  it('is of a leaf whose intermediate only our own chain has', async () => {
    const intermediate = testAuthority().intermediate();
    const below = intermediate.issue('/training/below');
    expect(await ask({ svid: below })).toBe(401);
    const own = setting.identity.current.value;
    const other = openSetting({ authority: testAuthority(), own: intermediate.issue('/registry/authz') });
    setting.identity.swap(other.identity.current.value);
    expect(await ask({ svid: below })).toBe(200);
    setting.identity.swap(own);
  });

  it.each<[string, Asked, number]>([
    ['a path with a dot segment', { path: '/a/../b' }, 400],
    ['a path with an encoded slash', { path: '/a%2fb' }, 400],
    ['a path with an empty segment', { path: '//a' }, 400],
    ['an absolute target', { path: 'http://x/a' }, 400],
    ['a path beyond ASCII', { path: '/ä' }, 400],
    ['a query with a raw quote', { path: '/a?"' }, 400],
    ['a target with a fragment', { path: '/a#b' }, 400],
    ['no path', { path: '' }, 400],
    ['a target that is too long', { path: `/${'a'.repeat(9_000)}` }, 414],
    ['no host', { host: '' }, 400],
    ['a host with a user', { host: 'a@b' }, 400],
    ['no method', { method: '' }, 400],
    ['a method that is no token', { method: 'GET ' }, 400],
    ['CONNECT', { method: 'CONNECT' }, 501],
    ['a query beside the path', { http: { query: 'a=1' } }, 400],
    ['a fragment beside the path', { http: { fragment: 'a' } }, 400],
    ['an upgrade that Connection does not name', { http: { headers: fieldList({ upgrade: 'websocket' }) } }, 501],
    ['an extended CONNECT', { http: { headers: fieldList({ ':protocol': 'websocket' }) } }, 501],
    ['H1-74 an upgrade to h2c', { http: { headers: fieldList({ upgrade: 'h2c', connection: 'upgrade' }) } }, 501],
    ['an upgrade to one of two', { http: { headers: fieldList({ upgrade: 'a, b', connection: 'upgrade' }) } }, 400],
    [
      'H1-75 an upgrade with a body',
      { http: { headers: fieldList({ upgrade: 'websocket', connection: 'upgrade', 'content-length': '1' }) } },
      400,
    ],
    ['another component than the one served', { extensions: { 'sallyport-component': 'feature-store' } }, 404],
  ])('about %s is denied', async (_name, asked, status) => {
    expect(await ask({ svid: job, ...asked })).toBe(status);
    expect(setting.recorder.requests).toHaveLength(1);
    expect(setting.recorder.requests[0]).toMatchObject({ status, decision: null });
  });

  it('without any of its parts is denied', async () => {
    expect(statusOf(await envoy.check({ attributes: null }))).toBe(401);
    const { attributes } = checkOf({ svid: job });
    if (attributes === null) throw new Error('no attributes');
    expect(statusOf(await envoy.check({ attributes: { ...attributes, request: null } }))).toBe(400);
    expect(statusOf(await envoy.check({ attributes: { ...attributes, request: { http: null } } }))).toBe(400);
    expect(statusOf(await envoy.check({ attributes: { ...attributes, source: null } }))).toBe(401);
  });

  it('that cannot be read is a denial, and no error that a data plane could be told to let pass', async () => {
    expect(statusOf(await envoy.send(Buffer.from('ff', 'hex')))).toBe(401);
    expect(statusOf(await envoy.send(Buffer.alloc(MAX_MESSAGE_BYTES + 1)))).toBe(401);
  });
});

describe('EX-165 identity', () => {
  it.each<[string, Asked, string]>([
    ['no certificate', {}, 'no-certificate'],
    ['a principal and no certificate', { principal: JOB_ID }, 'principal-without-certificate'],
    ['another principal than the certificate’s', { svid: reader, principal: JOB_ID }, 'principal-mismatch'],
    ['a principal that differs in case', { svid: job, principal: JOB_ID.toUpperCase() }, 'principal-mismatch'],
    [
      'a certificate of nobody we trust',
      { svid: createTestAuthority('ai.example').issue('/training/job') },
      'unknown-authority',
    ],
    [
      'a certificate of another trust domain',
      { svid: testAuthority('other.example').issue('/a') },
      'unknown-trust-domain',
    ],
    ['an expired certificate', { svid: testAuthority().issue('/training/job', expired()) }, 'expired'],
    ['two certificates', { certificate: encodeURIComponent(leafPem(reader) + leafPem(job)) }, 'malformed-certificate'],
    ['text before the certificate', { certificate: encodeURIComponent(`x\n${leafPem(job)}`) }, 'malformed-certificate'],
    ['a private key', { certificate: encodeURIComponent(job.privateKeyPem) }, 'malformed-certificate'],
    ['PEM that is not encoded', { certificate: leafPem(job) }, 'malformed-certificate'],
    ['a broken escape', { certificate: `${escapedPem(job)}%` }, 'malformed-certificate'],
    ['nothing but text', { certificate: 'certificate' }, 'malformed-certificate'],
  ])('is not taken from %s', async (_name, asked, reason) => {
    const answer = await envoy.check(checkOf(asked));
    expect(statusOf(answer)).toBe(401);
    expect(answer.status?.code).toBe(16);
    expect(setting.recorder.requests).toEqual([
      expect.objectContaining({ principal: null, refusal: 'no-identity', decision: null, path: '' }),
    ]);
    expect(setting.unproven).toEqual([reason]);
  });

  it('is not taken from fields of the request', async () => {
    const claims = ['x-forwarded-client-cert', 'x-spiffe-id', 'x-client-cert', 'client-cert'].map((key) => ({
      key,
      value: `URI=${JOB_ID}`,
    }));
    expect(await ask({ http: { headers: claims } })).toBe(401);
  });

  it('is that of the certificate where the principal agrees', async () => {
    expect(await ask({ svid: job, principal: JOB_ID })).toBe(200);
  });
});

const raw = (key: string, value: string) => ({ key, value: '', rawValue: Buffer.from(value) });
const entry = (key: string, value: string) => ({ key, value });

describe('EX-166 two forms of the fields', () => {
  it.each<[string, Asked['http'], number]>([
    ['agree', { headers: [entry('a', '1,2')], headerMap: { headers: [raw('a', '1'), raw('a', '2')] } }, 200],
    ['are the raw one alone', { headers: [], headerMap: { headers: [raw(':path', '/models/1'), raw('a', '2')] } }, 200],
    ['differ in a value', { headers: [entry('a', '1')], headerMap: { headers: [raw('a', '2')] } }, 400],
    ['differ in a name', { headers: [entry('a', '1')], headerMap: { headers: [raw('b', '1')] } }, 400],
    ['differ in number', { headers: [entry('a', '1')], headerMap: { headers: [raw('a', '1'), raw('b', '1')] } }, 400],
    ['have one name twice in the map', { headers: [entry('a', '1'), entry('a', '1')] }, 400],
    ['have one name in two cases', { headers: [entry('a', '1'), entry('A', '1')] }, 400],
    ['have two values in one', { headers: [], headerMap: { headers: [{ ...raw('a', '1'), value: '2' }] } }, 400],
    ['have two paths', { headers: [], headerMap: { headers: [raw(':path', '/models/1'), raw(':path', '/x')] } }, 400],
    ['have another path than the attributes', { headers: [entry(':path', '/models/2')] }, 400],
    ['have another method than the attributes', { headers: [entry(':method', 'HEAD')] }, 400],
    ['have another authority than the attributes', { headers: [entry(':authority', 'other.example')] }, 400],
    ['have another host than the attributes', { headers: [entry('host', 'other.example')] }, 400],
    ['have another path in raw form', { headers: [], headerMap: { headers: [raw(':path', '/models/2')] } }, 400],
    ['have a name that is none', { headers: [entry('a b', '1')] }, 400],
  ])('that %s', async (_name, http, status) => {
    expect(await ask({ svid: job, ...(http === undefined ? {} : { http }) })).toBe(status);
  });
});

describe('EX-167 a body that is not whole', () => {
  const partial = [entry('x-envoy-auth-partial-body', 'true')];

  it.each([
    ['GET', job],
    ['PUT', job],
    ['POST', reader],
    ['GET', reader],
    ['DELETE', reader],
  ])('never makes an allow of what is denied: %s', async (method, svid) => {
    const whole = await ask({ svid, method });
    const message = CHECK_REQUEST.encode(checkOf({ svid, method, http: { headers: partial } }));
    expect(statusOf(await envoy.send(message))).toBe(whole);
  });

  it('is not read at all, whatever stands in it', async () => {
    const http = checkOf({ svid: reader, method: 'POST' });
    const encoded = CHECK_REQUEST.encode(http);
    // body = 11 of HttpRequest in Request in AttributeContext: parts of one message, which join.
    const body = Buffer.from('5a0647455420202f', 'hex');
    const within = (tag: number, content: Buffer): Buffer => Buffer.concat([Buffer.of(tag, content.length), content]);
    const message = Buffer.concat([encoded, within(0x0a, within(0x22, within(0x12, body)))]);
    expect(statusOf(await envoy.send(message))).toBe(403);
  });
});

describe('the socket', () => {
  it('is its owner’s alone', () => {
    expect(statSync(socket).mode & 0o777).toBe(0o600);
  });
});

function revoking(id: string): Revocations {
  const pattern = parseIdPattern(id, parseTrustDomain('ai.example'));
  const entry = { target: { kind: 'id' as const, pattern }, reason: 'test', atMs: 0, expiresMs: null };
  return new Revocations({ entries: [entry], crls: [] });
}
