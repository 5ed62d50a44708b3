import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../src/kube/api-error.ts';
import { type LiveInventory, readCluster } from '../../src/kube/read-cluster.ts';
import { TemporaryDirectory } from '../files/temporary-directory.ts';
import { selfSigned } from '../support/certificate-builder.ts';
import { writeExecScript } from './exec-plugin-script.ts';
import { type LiveSetting, liveTermsOf, namespace, pod, secret } from './live-setting.ts';
import { StandInApiServer, type StandInFailure } from './stand-in-api-server.ts';
import { STAND_IN_KINDS } from './stand-in-kinds.ts';

let directory: TemporaryDirectory;
let server: StandInApiServer;
beforeEach(async () => {
  directory = new TemporaryDirectory();
  server = await StandInApiServer.start();
  server.store.apply(namespace('ml'));
  for (let index = 1; index <= 5; index += 1) server.store.apply(pod(`p${index}`));
});
afterEach(async () => {
  await server.close();
  directory.remove();
});

function read(setting?: LiveSetting): Promise<LiveInventory> {
  return readCluster(liveTermsOf(server, directory, setting));
}

function podsOf({ objects }: LiveInventory): readonly string[] {
  return objects.filter(({ kind }) => kind === 'Pod').map(({ name }) => name);
}

function reasonOf({ unreadable }: LiveInventory, kind: string): string | undefined {
  return unreadable.find((entry) => entry.kind === kind)?.reason;
}

async function codeOf(reading: Promise<unknown>): Promise<string> {
  try {
    await reading;
    return 'read';
  } catch (error) {
    return error instanceof ApiError ? error.code : String(error);
  }
}

const EVERY_POD = ['p1', 'p2', 'p3', 'p4', 'p5'];

describe('reading a cluster', () => {
  it('reads each list page by page to its end, and only ever asks', async () => {
    const found = await read({ limits: { pageSize: 2 } });
    expect(podsOf(found)).toEqual(EVERY_POD);
    expect(found.completeKinds).toContain('Pod');
    const pages = server.requestsTo(/\/pods$/).map(({ query }) => [query.get('limit'), query.has('continue')]);
    expect(pages).toEqual([
      ['2', false],
      ['2', true],
      ['2', true],
    ]);
    expect(new Set(server.requests.map(({ method }) => method))).toEqual(new Set(['GET']));
    expect(found.questions).toBe(server.requests.length);
  });

  it('says of every kind that it was read, is not there, or could not be read', async () => {
    const { completeKinds, unreadable } = await read();
    expect(completeKinds).toContain('NetworkPolicy.networking.k8s.io');
    expect(unreadable.find(({ kind }) => kind === 'CiliumNetworkPolicy.cilium.io')).toMatchObject({
      reason: 'absent-kind',
    });
    expect(unreadable.filter(({ reason }) => reason !== 'absent-kind')).toEqual([]);
  });

  it('begins a list again when its place in it has expired', async () => {
    server.fail({ path: /\/pods$/, status: 410, times: 1 });
    expect(podsOf(await read({ limits: { pageSize: 2 } }))).toEqual(EVERY_POD);
  });

  it('asks for a list at once where its places always expire', async () => {
    server.onList = ({ query }) => {
      if (query.has('continue')) server.store.compact();
    };
    expect(podsOf(await read({ limits: { pageSize: 2 } }))).toEqual(EVERY_POD);
    expect(
      server
        .requestsTo(/\/pods$/)
        .at(-1)
        ?.query.has('limit'),
    ).toBe(false);
  });

  it.each<[string, StandInFailure]>([
    ['busy', { path: /\/pods$/, status: 429, retryAfter: 2, times: 2 }],
    ['failing', { path: /\/pods$/, status: 503, times: 3 }],
    ['cutting connections', { path: /\/pods$/, status: 'drop', times: 2 }],
  ])('asks a server again that is %s', async (_name, failure) => {
    server.fail(failure);
    expect(podsOf(await read())).toEqual(EVERY_POD);
  });

  const list = (items: unknown, metadata: unknown = { resourceVersion: '7' }): object => ({
    kind: 'PodList',
    apiVersion: 'v1',
    metadata,
    items,
  });
  const item = { metadata: { name: 'x', namespace: 'ml' }, spec: {} };
  it.each<[string, Omit<StandInFailure, 'path'>, string, Partial<LiveSetting['limits']>?]>([
    ['refuses', { status: 403 }, 'forbidden'],
    ['is asked too fast for ever', { status: 429 }, 'unavailable'],
    ['always fails', { status: 500 }, 'unavailable'],
    ['does not answer', { status: 'hang' }, 'timeout'],
    ['hangs up', { status: 'drop' }, 'unavailable'],
    ['has lost the kind', { status: 404 }, 'unavailable'],
    [
      'answers with a status that has items',
      {
        status: 200,
        body: { kind: 'Status', apiVersion: 'v1', code: 403, metadata: { resourceVersion: '7' }, items: [] },
      },
      'malformed',
    ],
    ['answers with another list', { status: 200, body: { ...list([]), kind: 'ServiceList' } }, 'malformed'],
    ['answers with a list of another version', { status: 200, body: { ...list([]), apiVersion: 'v2' } }, 'malformed'],
    [
      'has more than it gives',
      { status: 200, body: list([item], { resourceVersion: '7', remainingItemCount: 7 }) },
      'malformed',
    ],
    ['always says that the place has expired', { status: 410 }, 'unavailable'],
    ['answers with HTML', { status: 'not-json' }, 'malformed'],
    ['answers with another object', { status: 'no-list' }, 'malformed'],
    ['gives no items', { status: 200, body: list(undefined) }, 'malformed'],
    ['gives null for items', { status: 200, body: list(null) }, 'malformed'],
    ['gives a text for items', { status: 200, body: list('none') }, 'malformed'],
    ['gives no version', { status: 200, body: list([], {}) }, 'malformed'],
    [
      'gives a number to go on with',
      { status: 200, body: list([], { resourceVersion: '7', continue: 7 }) },
      'malformed',
    ],
    ['gives items that are no objects', { status: 200, body: list([null, 'x', item]) }, 'malformed'],
    [
      'gives items of another kind',
      { status: 200, body: list([{ ...item, apiVersion: 'v1', kind: 'Secret' }]) },
      'malformed',
    ],
    ['gives items of another group', { status: 200, body: list([{ ...item, apiVersion: 'x.io/v1' }]) }, 'malformed'],
    ['gives pods without a namespace', { status: 200, body: list([{ metadata: { name: 'x' } }]) }, 'malformed'],
    [
      'always has the same page more',
      { status: 200, body: list([item], { resourceVersion: '7', continue: 'a' }) },
      'malformed',
    ],
    [
      'answers with more than is read',
      { status: 200, body: list([{ ...item, x: 'y'.repeat(70_000) }]) },
      'too-large',
      { answerBytes: 65_536 },
    ],
  ])('does not know the pods of a server that %s', async (_name, failure, reason, limits = {}) => {
    server.fail({ path: /\/pods$/, ...failure });
    const found = await read({ limits });
    expect(reasonOf(found, 'Pod')).toBe(reason);
    expect(found.completeKinds).not.toContain('Pod');
    expect(found.completeKinds).toContain('Service');
  });

  it('gives up a list that always has another page', async () => {
    let page = 0;
    server.onList = ({ path }) => {
      page += 1;
      if (!path.endsWith('/pods')) return null;
      return list([{ ...item, metadata: { name: `x${page}`, namespace: 'ml' } }], {
        resourceVersion: '7',
        continue: String(page),
      });
    };
    const found = await read({ limits: { maxPages: 20 } });
    expect(reasonOf(found, 'Pod')).toBe('too-large');
    expect(server.requestsTo(/\/pods$/)).toHaveLength(20);
  });

  it('ends when the whole takes too long, and says so of what was not read', async () => {
    server.fail({ path: /\/pods$/, status: 'hang' });
    const found = await read({ limits: { wholeMs: 20_000, answerMs: 200_000 } });
    expect(found.unreadable.find(({ kind }) => kind === 'Pod')).toMatchObject({ reason: 'timeout' });
  });

  it('keeps nothing of a Secret but its names and type', async () => {
    server.store.apply(secret('db', 'hunter2-is-not-told'));
    const found = (await read()).objects.find(({ kind }) => kind === 'Secret');
    expect(found?.body).toMatchObject({ type: 'Opaque', metadata: { name: 'db' } });
    expect(JSON.stringify(found)).not.toContain(Buffer.from('hunter2-is-not-told').toString('base64'));
  });
});

describe('discovery', () => {
  it.each<[string, StandInFailure, string]>([
    ['groups are null', { path: /^\/apis$/, status: 200, body: { kind: 'APIGroupList', groups: null } }, 'malformed'],
    ['versions are missing', { path: /^\/api$/, status: 200, body: { kind: 'APIVersions' } }, 'malformed'],
    ['the answer is of no API server', { path: /^\/api$/, status: 200, body: {} }, 'malformed'],
    ['nobody is known', { path: /./, status: 401 }, 'unauthorized'],
    ['it is refused', { path: /^\/apis$/, status: 403 }, 'forbidden'],
    ['nothing answers', { path: /./, status: 'hang' }, 'timeout'],
  ])('is no reading of a cluster when %s', async (_name, failure, code) => {
    server.fail(failure);
    expect(await codeOf(read())).toBe(code);
  });

  it('does not take a server at its word that has no kind that every cluster has', async () => {
    server.kinds = STAND_IN_KINDS.filter(({ kind }) => kind !== 'NetworkPolicy' && kind !== 'Pod');
    const found = await read();
    expect(reasonOf(found, 'NetworkPolicy.networking.k8s.io')).toBe('malformed');
    expect(reasonOf(found, 'Pod')).toBe('malformed');
  });

  it('does not call absent what a group that is down may have', async () => {
    server.fail({ path: /^\/apis\/security\.istio\.io\/v1/, status: 503 });
    expect(reasonOf(await read(), 'PeerAuthentication.security.istio.io')).toBe('unavailable');
  });

  it('does not call absent what a group has that it names and does not answer for', async () => {
    server.fail({ path: /^\/apis\/security\.istio\.io\/v1/, status: 404 });
    expect(reasonOf(await read(), 'PeerAuthentication.security.istio.io')).toBe('unavailable');
  });

  it('asks for no resource whose name leads elsewhere', async () => {
    server.kinds = [
      ...STAND_IN_KINDS.filter(({ kind }) => kind !== 'RayJob'),
      { group: 'ray.io', version: 'v1', kind: 'RayJob', resource: '../../../metrics?x=', isNamespaced: true },
    ];
    expect(reasonOf(await read(), 'RayJob.ray.io')).toBe('malformed');
    expect(server.requestsTo(/metrics/)).toEqual([]);
  });
});

describe('namespaces', () => {
  beforeEach(() => {
    server.store.apply(namespace('other'));
    server.store.apply(pod('elsewhere', 'other'));
  });

  it('reads all of a cluster where that is allowed: what is elsewhere counts as well', async () => {
    expect(podsOf(await read({ namespaces: ['ml'] }))).toContain('elsewhere');
  });

  it('reads the named ones where no more is allowed, and says that the rest is not known', async () => {
    server.fail({ path: /^\/api\/v1\/(?:pods|namespaces)$/, status: 403 });
    const found = await read({ namespaces: ['ml'] });
    expect(podsOf(found)).toEqual(EVERY_POD);
    expect(found.completeKinds).toContain('ml/Pod');
    expect(found.completeKinds).not.toContain('Pod');
    expect(reasonOf(found, 'Namespace')).toBe('forbidden');
    expect(found.objects.filter(({ kind }) => kind === 'Namespace').map(({ name }) => name)).toEqual(['ml']);
  });
});

describe('proofs', () => {
  it('shows its client certificate', async () => {
    const { certificatePem, privateKeyPem } = server.clientIdentity('auditor');
    const user = {
      'client-certificate-data': Buffer.from(certificatePem).toString('base64'),
      'client-key': directory.write('key.pem', privateKeyPem),
    };
    expect(podsOf(await read({ config: { user } }))).toEqual(EVERY_POD);
    expect(new Set(server.requests.map(({ client }) => client))).toEqual(new Set(['auditor']));
  });

  it('reads a token file again when its token is not taken any more', async () => {
    const tokenFile = directory.write('token', 'old');
    server.tokens.clear();
    server.tokens.add('new');
    server.onRefused = () => directory.replace('token', 'new');
    expect(podsOf(await read({ config: { user: { tokenFile } } }))).toEqual(EVERY_POD);
  });

  it('asks its exec plugin again for what has expired or is refused, and tells it of the cluster', async () => {
    const script = writeExecScript(directory);
    script.says({ token: 'let-me-in', expirationTimestamp: '2999-01-01T00:00:00Z' });
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: script.path,
      interactiveMode: 'Never',
      provideClusterInfo: true,
      env: [{ name: 'STAGE', value: 'test' }],
    };
    expect(podsOf(await read({ config: { user: { exec } } }))).toEqual(EVERY_POD);
    expect(script.calls).toHaveLength(1);
    expect(script.calls[0]?.info).toMatchObject({ spec: { cluster: { server: server.url } } });
    server.tokens.delete('let-me-in');
    expect(await codeOf(read({ config: { user: { exec } } }))).toBe('unauthorized');
    expect(script.calls).toHaveLength(3);
  });

  it.each<[string, () => Readonly<Record<string, unknown>>, string]>([
    [
      'of another authority',
      () => ({ 'certificate-authority-data': Buffer.from(selfSigned().pem).toString('base64') }),
      'untrusted-server',
    ],
    ['of another name', () => ({ 'tls-server-name': 'other.example' }), 'untrusted-server'],
    ['of the name that is given', () => ({ 'tls-server-name': 'kubernetes.default.svc' }), 'read'],
  ])('takes no answer of a server %s', async (_name, cluster, outcome) => {
    expect(await codeOf(read({ config: { cluster: cluster() } }))).toBe(outcome);
    if (outcome !== 'read') expect(server.requests).toEqual([]);
  });

  it('does not call whole what a server said that proved nothing', async () => {
    const cluster = { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true };
    const found = await read({ config: { cluster } });
    expect(podsOf(found)).toEqual(EVERY_POD);
    expect(found.unreadable[0]).toMatchObject({
      reason: 'unverified',
      what: expect.stringContaining('the API server'),
    });
  });
});
