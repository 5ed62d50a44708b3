import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { connectionFields } from '../../src/proxy/identity-fields.ts';
import { OK, type ProxyFixture, ScriptedUpstream, startProxy } from '../support/proxy-fixture.ts';

let upstream: ScriptedUpstream;
let proxy: ProxyFixture;
let lastHead = '';

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((head, socket) => {
    lastHead = head;
    socket.write(OK);
  });
  proxy = await startProxy(upstream.port);
});

afterAll(async () => {
  await proxy.close();
  upstream.close();
});

async function headSeenByUpstream(fields: readonly string[]): Promise<Map<string, string[]>> {
  const peer = await proxy.connect(proxy.authority.issue('/training/job'));
  peer.request('GET', '/x', fields.map((field) => `${field}\r\n`).join(''));
  expect((await peer.response()).status).toBe(200);
  const seen = new Map<string, string[]>();
  for (const line of lastHead.split('\r\n').slice(1).filter(Boolean)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    seen.set(name, [...(seen.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return seen;
}

describe('identity fields', () => {
  it('tells the upstream who called, for which decision', async () => {
    const seen = await headSeenByUpstream(['x-custom: kept']);
    expect(seen.get('x-spiffe-id')).toEqual(['spiffe://ai.example/training/job']);
    expect(seen.get('x-sallyport-component')).toEqual(['training']);
    expect(seen.get('x-sallyport-decision-id')?.[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(seen.get('x-forwarded-proto')).toEqual(['https']);
    expect(seen.get('x-forwarded-host')).toEqual(['registry']);
    expect(seen.get('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(seen.get('x-custom')).toEqual(['kept']);
    expect(seen.get('x-forwarded-client-cert')?.[0]).toMatch(
      /^By=spiffe:\/\/ai\.example\/registry\/proxy;Hash=[0-9a-f]{64};URI=spiffe:\/\/ai\.example\/training\/job$/,
    );
  });

  it.each([
    ['HD-108', 'x-forwarded-client-cert', 'By=x;Hash=y;URI=spiffe://ai.example/registry/admin'],
    ['HD-108', 'x-spiffe-id', 'spiffe://ai.example/registry/admin'],
    ['HD-108', 'X-SPIFFE-ID', 'spiffe://ai.example/registry/admin'],
    ['HD-108', 'x-envoy-external-address', '10.0.0.1'],
    ['HD-108', 'x-forwarded-for', '10.0.0.1'],
    ['HD-108', 'x-forwarded-user', 'admin'],
    ['HD-108', 'forwarded', 'for=10.0.0.1'],
    ['HD-108', 'l5d-client-id', 'admin'],
    ['HD-108', 'x-ssl-client-verify', 'SUCCESS'],
    ['HD-108', 'ssl-client-cert', 'forged'],
    ['HD-108', 'client-cert', ':Zm9yZ2Vk:'],
    ['HD-108', 'spiffe-id', 'spiffe://ai.example/registry/admin'],
    ['HD-108', 'x-spiffe', 'spiffe://ai.example/registry/admin'],
    ['HD-108', 'x-client-verify', 'FORGED'],
    ['HD-108', 'x-client-dn', 'CN=forged'],
    ['HD-108', 'x-mtls-clientcert', 'forged'],
    ['HD-108', 'x-goog-authenticated-user-email', 'forged@example.com'],
    ['HD-108', 'x-original-url', '/admin'],
    ['HD-109', 'X_Spiffe_Id', 'spiffe://ai.example/registry/admin'],
    ['HD-109', 'X.Spiffe.Id', 'spiffe://ai.example/registry/admin'],
    ['HD-109', 'x_forwarded_client_cert', 'URI=spiffe://ai.example/registry/admin'],
    ['HD-109', 'x-sallyport_component', 'monitoring-admin'],
    ['HD-109', 'x+spiffe~id', 'spiffe://ai.example/registry/admin'],
    ['HD-109', "x'forwarded!for", '10.0.0.1'],
    ['HD-108', 'x-amzn-mtls-clientcert-subject', 'CN=admin'],
    ['HD-108', 'x-arr-clientcert', 'forged'],
    ['HD-108', 'x-tls-client-dn', 'CN=admin'],
    ['HD-109', 'content_length', '1000000'],
    ['HD-109', 'Transfer_Encoding', 'chunked'],
    ['HD-109', 'proxy_authorization', 'basic YWRtaW46'],
    ['HD-109', 'content.type', 'application/admin'],
  ])('%s strips what the peer says in `%s`', async (_case, name, value) => {
    const seen = await headSeenByUpstream([`${name}: ${value}`]);
    expect([...seen.values()].flat()).not.toContain(value);
    expect(seen.get('x-spiffe-id')).toEqual(['spiffe://ai.example/training/job']);
  });

  it('HD-109 refuses a name with a space behind it', async () => {
    const peer = await proxy.connect(proxy.authority.issue('/training/job'));
    peer.request('GET', '/x', 'x-spiffe-id : spiffe://ai.example/registry/admin\r\n');
    expect((await peer.closed()).slice(0, 12)).toBe('HTTP/1.1 400');
  });

  it('HD-110 leaves exactly one identity field when the peer sends several', async () => {
    const seen = await headSeenByUpstream(['x-spiffe-id: a', 'accept: */*', 'x-spiffe-id: b']);
    expect(seen.get('x-spiffe-id')).toHaveLength(1);
  });

  it('HD-111 quotes what could break out of an XFCC element', () => {
    const id = parseSpiffeId('spiffe://ai.example/training/job');
    const forged = 'spiffe://x/;URI="spiffe://ai.example/admin",By=\\';
    const fields = connectionFields({ id, actor: null, certificate: { id, leafSha256: 'ab' } }, forged, {
      address: '127.0.0.1',
      protocol: '1.1',
    });
    expect(fields[1]).toBe(
      'By="spiffe://x/;URI=\\"spiffe://ai.example/admin\\",By=\\\\";Hash=ab;URI=spiffe://ai.example/training/job',
    );
  });

  it.each(['x_custom', 'x.custom', 'x--custom'])(
    'passes on `%s`, which is no second spelling of anything',
    async (name) => {
      expect((await headSeenByUpstream([`${name}: kept`])).get(name)).toEqual(['kept']);
    },
  );

  it.each(['__proto__', 'constructor', 'hasownproperty'])('HD-112 survives a field named `%s`', async (name) => {
    const seen = await headSeenByUpstream([`${name}: x`]);
    expect(seen.get(name)).toEqual(['x']);
  });

  it('H1-78 keeps our fields when Connection names them', async () => {
    const seen = await headSeenByUpstream(['connection: x-spiffe-id, x-forwarded-client-cert, x-gone', 'x-gone: 1']);
    expect(seen.get('x-spiffe-id')).toEqual(['spiffe://ai.example/training/job']);
    expect(seen.get('x-forwarded-client-cert')).toHaveLength(1);
    expect(seen.has('x-gone')).toBe(false);
  });

  it.each([
    ['of version 00', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['of a later version', '01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['of a later version that says more', 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-else'],
  ])('continues a well-formed trace %s', async (_name, parent) => {
    const seen = await headSeenByUpstream([`traceparent: ${parent}`, 'tracestate: a=b', 'tracestate: c=d']);
    expect(seen.get('traceparent')).toEqual([parent]);
    expect(seen.get('tracestate')).toEqual(['a=b,c=d']);
  });

  it.each([
    ['none', []],
    ['one of version ff', ['traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']],
    ['one of version 00 that says more', ['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x']],
    ['one of a later version that runs on', ['traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x']],
    ['a malformed one', ['traceparent: 00-xyz-01', 'tracestate: a=b']],
    ['an all-zero one', ['traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01']],
    [
      'two',
      [
        'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        'traceparent: 00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      ],
    ],
  ])('begins a trace when the peer sent %s', async (_name, fields) => {
    const seen = await headSeenByUpstream(fields);
    const id = seen.get('x-sallyport-decision-id')?.[0] ?? '';
    expect(seen.get('traceparent')).toEqual([`00-${id}-${id.slice(0, 16)}-00`]);
    expect(seen.has('tracestate')).toBe(false);
  });
});
