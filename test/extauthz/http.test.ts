// The questions of nginx, Traefik and Caddy, asked by hand: each field once, from where the data plane sets it.

import { statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpService } from '../../src/extauthz/http-service.ts';
import type { HttpFlavour } from '../../src/extauthz/http-question.ts';
import { ARTICLE_POLICY, compilePolicy } from '../support/proxy-fixture.ts';
import { testAuthority } from '../support/svid-fixtures.ts';
import { escapedPem, openSetting, type Setting, type SettingOptions, temporaryDirectory } from './setting.ts';

const job = testAuthority().issue('/training/job');
const reader = testAuthority().issue('/inference/server');
const base64 = (svid: typeof job): string => svid.chainDer[0]?.toString('base64') ?? '';

let service: HttpService;
afterEach(() => service.close());

async function start(flavour: HttpFlavour, options: SettingOptions = {}): Promise<{ setting: Setting; path: string }> {
  const setting = openSetting(options);
  const path = join(temporaryDirectory(), 'authz.sock');
  service = new HttpService(setting.context, flavour, { kind: 'unix', path, mode: 0o660 });
  await service.listen();
  return { setting, path };
}

interface Sent {
  readonly method?: string;
  readonly url?: string;
  readonly body?: string;
}

/** Fields flat, name and value, as they are sent. */
function ask(
  socketPath: string,
  fields: readonly string[],
  { method = 'GET', url = '/check', body = '' }: Sent = {},
): Promise<{ status: number; headers: Readonly<Record<string, unknown>>; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(
      { socketPath, method, path: url, headers: ['host', 'x', ...fields], agent: false },
      (response) => {
        let received = '';
        response.on('data', (chunk: Buffer) => (received += chunk.toString()));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: received }),
        );
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

const NGINX = ['X-Original-Method', 'GET', 'X-Original-URI', '/models/1', 'X-Original-Host', 'registry'];
const FORWARD = ['X-Forwarded-Method', 'GET', 'X-Forwarded-Uri', '/models/1', 'X-Forwarded-Host', 'registry'];
const NGINX_JOB = [...NGINX, 'X-Client-Cert', escapedPem(job)];
const FORWARD_JOB = [...FORWARD, 'X-Forwarded-Tls-Client-Cert', base64(job)];

describe('a question', () => {
  it.each<[HttpFlavour, readonly string[]]>([
    ['nginx', NGINX_JOB],
    ['forward-auth', FORWARD_JOB],
    ['forward-auth', [...FORWARD, 'X-Forwarded-Tls-Client-Cert', `${base64(job)},${base64(reader)}`]],
  ])('of %s is answered with who asks', async (flavour, fields) => {
    const { setting, path } = await start(flavour);
    const { status, headers, body } = await ask(path, fields);
    expect({ status, body }).toEqual({ status: 200, body: '' });
    expect(headers).toMatchObject({
      'x-spiffe-id': 'spiffe://ai.example/training/job',
      'x-sallyport-component': 'training',
      'x-sallyport-decision-id': setting.recorder.requests[0]?.decisionId,
      'cache-control': 'no-store',
    });
  });

  it.each<[string, HttpFlavour, readonly string[], Sent, number]>([
    [
      'by a reader to write',
      'forward-auth',
      ['X-Forwarded-Method', 'PUT', ...FORWARD.slice(2), 'X-Forwarded-Tls-Client-Cert', base64(reader)],
      {},
      403,
    ],
    ['without a certificate', 'nginx', NGINX, {}, 401],
    ['with an empty certificate', 'nginx', [...NGINX, 'X-Client-Cert', ''], {}, 401],
    ['with two certificates', 'nginx', [...NGINX_JOB, 'x-client-cert', escapedPem(job)], {}, 401],
    [
      'with the certificate of the other flavour',
      'nginx',
      [...NGINX, 'X-Forwarded-Tls-Client-Cert', base64(job)],
      {},
      401,
    ],
    ['with the other flavour’s certificate', 'forward-auth', [...FORWARD, 'X-Client-Cert', escapedPem(job)], {}, 401],
    ['with a certificate in another spelling', 'nginx', [...NGINX, 'X_Client_Cert', escapedPem(job)], {}, 401],
    ['with two methods', 'forward-auth', [...FORWARD_JOB, 'X-Forwarded-Method', 'GET'], {}, 400],
    ['with two targets', 'forward-auth', [...FORWARD_JOB, 'x-forwarded-uri', '/models/1'], {}, 400],
    ['with two hosts', 'forward-auth', [...FORWARD_JOB, 'x-forwarded-host', 'registry'], {}, 400],
    ['without a method', 'forward-auth', FORWARD_JOB.slice(2), {}, 400],
    ['without a target', 'forward-auth', [...FORWARD_JOB.slice(0, 2), ...FORWARD_JOB.slice(4)], {}, 400],
    ['without a host', 'forward-auth', [...FORWARD_JOB.slice(0, 4), ...FORWARD_JOB.slice(6)], {}, 400],
    ['about a dot segment', 'forward-auth', [...FORWARD_JOB.slice(0, 3), '/a/../b', ...FORWARD_JOB.slice(4)], {}, 400],
    ['about a dot segment, by nginx', 'nginx', [...NGINX_JOB.slice(0, 3), '/a/../b', ...NGINX_JOB.slice(4)], {}, 403],
    ['by POST', 'forward-auth', FORWARD_JOB, { method: 'POST' }, 400],
    ['with a body', 'forward-auth', [...FORWARD_JOB, 'content-length', '1'], { body: 'x' }, 400],
    ['with chunks', 'forward-auth', [...FORWARD_JOB, 'transfer-encoding', 'chunked'], { body: 'x' }, 400],
    ['at another path', 'forward-auth', FORWARD_JOB, { url: '/' }, 400],
    ['about a component that is not served', 'forward-auth', FORWARD_JOB, { url: '/check/feature-store' }, 404],
    ['to upgrade', 'forward-auth', [...FORWARD_JOB, 'connection', 'upgrade', 'upgrade', 'websocket'], {}, 403],
    ['to upgrade or not', 'forward-auth', [...FORWARD_JOB, 'upgrade', 'websocket'], {}, 501],
    ['to upgrade, by nginx', 'nginx', [...NGINX_JOB, 'x-original-upgrade', 'websocket'], {}, 403],
    ['to upgrade to nothing', 'forward-auth', [...FORWARD_JOB, 'connection', 'upgrade', 'upgrade', 'a b'], {}, 400],
    ['by nginx, that hands on Upgrade', 'nginx', [...NGINX_JOB, 'connection', 'upgrade', 'upgrade', 'x'], {}, 403],
    [
      'to upgrade twice, by nginx',
      'nginx',
      [...NGINX_JOB, 'x-original-upgrade', 'websocket', 'x-original-upgrade', 'x'],
      {},
      403,
    ],
  ])('%s is denied (%s)', async (_name, flavour, fields, sent, expected) => {
    const { setting, path } = await start(flavour);
    const { status, headers, body } = await ask(path, fields, sent);
    expect(status).toBe(expected);
    expect(headers).not.toHaveProperty('x-spiffe-id');
    expect(JSON.parse(body)).toMatchObject({ decisionId: headers['x-sallyport-decision-id'] });
    expect(setting.recorder.requests).toHaveLength(1);
  });

  it.each<[HttpFlavour, readonly string[]]>([
    ['nginx', [...NGINX_JOB, 'x-original-upgrade', 'WebSocket']],
    ['forward-auth', [...FORWARD_JOB, 'connection', 'Upgrade', 'upgrade', 'websocket']],
  ])('of %s about a request to upgrade is judged as one', async (flavour, fields) => {
    const policy = compilePolicy(
      ARTICLE_POLICY.replace('[registry, feature-store]', '[{ target: registry, upgrades: [websocket] }]'),
    );
    const { setting, path } = await start(flavour, { policy });
    expect((await ask(path, fields)).status).toBe(200);
    expect((await ask(path, flavour === 'nginx' ? NGINX_JOB : FORWARD_JOB)).status).toBe(403);
    expect(setting.recorder.requests.map(({ upgrade }) => upgrade)).toEqual(['websocket', null]);
  });

  it('names one of several components in its path, and keeps what the data plane left there of a query', async () => {
    const served = { kind: 'named' as const, components: new Set(['registry', 'feature-store']) };
    const { setting, path } = await start('forward-auth', { served });
    expect((await ask(path, FORWARD_JOB, { url: '/check/feature-store?q=1' })).status).toBe(200);
    expect(setting.recorder.requests[0]?.decision?.target).toBe('feature-store');
    expect((await ask(path, FORWARD_JOB)).status).toBe(404);
    expect((await ask(path, FORWARD_JOB, { url: '/check/training' })).status).toBe(404);
  });

  it('is for those who may open the socket', async () => {
    const { path } = await start('nginx');
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });
});
