import { lookup as systemLookup } from 'node:dns';
import { createServer, type LookupFunction } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { EndpointAuthentication } from '../../src/federation/endpoint-connection.ts';
import { FederationError } from '../../src/federation/federation-error.ts';
import {
  createFetchDocument,
  createFetcher,
  type FetchedDocument,
  MAX_DOCUMENT_BYTES,
  type Network,
} from '../../src/federation/fetch-document.ts';
import { isOffLimits } from '../../src/federation/off-limits.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem } from '../../src/spiffe/trust-bundle.ts';
import {
  createTestAuthority,
  expired,
  testAuthority,
  type TestAuthority,
  type TestSvid,
} from '../support/svid-fixtures.ts';
import { always, type Answer, WebServer } from './web-server.ts';

// Of the web: its certificates are for hosts, and have no SPIFFE ID.
const WEB = createTestAuthority('web', { uris: [] });
const HOST_CERTIFICATE = WEB.issue('/', {
  uris: [],
  ips: ['127.0.0.1'],
  dns: ['localhost', 'bundles.partner.example'],
});
const PARTNER = testAuthority('partner.example');
const ENDPOINT_ID = 'spiffe://partner.example/bundle';

const servers: WebServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(
  answer: Answer,
  { certificatePem, privateKeyPem }: TestSvid = HOST_CERTIFICATE,
): Promise<WebServer> {
  const server = await WebServer.start({ cert: certificatePem, key: privateKeyPem }, answer);
  servers.push(server);
  return server;
}

const web: EndpointAuthentication = { kind: 'https_web', ca: Buffer.from(WEB.certificatePem) };

function spiffe(endpointId = ENDPOINT_ID, ...authorities: readonly TestAuthority[]): EndpointAuthentication {
  const pem = (authorities.length === 0 ? [PARTNER] : authorities).map(({ certificatePem }) => certificatePem).join('');
  const trustDomain = parseTrustDomain(/^spiffe:\/\/([^/]*)/.exec(endpointId)?.[1] ?? '');
  const bundle = parseTrustBundlePem(trustDomain, Buffer.from(pem), 'bundle.pem');
  return { kind: 'https_spiffe', endpointId: parseSpiffeId(endpointId), bundle };
}

interface Terms {
  readonly authentication?: EndpointAuthentication;
  readonly network?: Partial<Network>;
  readonly signal?: AbortSignal;
}

function fetchFrom(
  url: URL,
  { authentication = web, network = {}, signal = new AbortController().signal }: Terms = {},
): Promise<FetchedDocument> {
  const fetch = createFetcher({ clock: systemClock, lookup: systemLookup, isOffLimits, ...network });
  return fetch({ url, authentication, signal });
}

async function refusalOf(fetched: Promise<FetchedDocument>): Promise<readonly [code: string, message: string]> {
  try {
    const { body } = await fetched;
    return ['none', body.toString()];
  } catch (error) {
    if (error instanceof FederationError) return [error.code, error.message];
    throw error;
  }
}

/** Every name is this machine, whatever a guard will say to that. */
const everythingIsHere: LookupFunction = (_hostname, _options, callback) =>
  callback(null, [{ address: '127.0.0.1', family: 4 }]);

describe('https_web (Federation §5.2.1.4)', () => {
  it('fetches what is served for the host of the URL, and asks for nothing else', async () => {
    const server = await serve(always('{"keys":[]}'));
    const url = server.urlOf('/a/bundle.json?x=1');
    expect(await fetchFrom(url)).toEqual({ body: Buffer.from('{"keys":[]}'), url: url.href });
    expect(server.asked).toEqual(['GET /a/bundle.json?x=1']);
    expect(server.fields).toEqual({
      host: url.host,
      connection: 'keep-alive',
      accept: 'application/json',
      'accept-encoding': 'identity',
    });
    await server.isLeft();
  });

  it('fetches from a name, wherever the operator has it point', async () => {
    const server = await serve(always('{}'));
    const network = { lookup: everythingIsHere };
    const { body } = await fetchFrom(server.urlOf('/', 'bundles.partner.example'), { network });
    expect(body.toString()).toBe('{}');
    expect(server.fields.host).toBe(`bundles.partner.example:${server.port}`);
  });

  it('takes a document whatever its content type says, which is only recommended', async () => {
    const server = await serve(always('{}', 'text/plain'));
    expect((await fetchFrom(server.urlOf('/'))).body.toString()).toBe('{}');
  });

  it.each<[string, TestSvid]>([
    ['another host', WEB.issue('/', { uris: [], dns: ['elsewhere.example'] })],
    ['another address', WEB.issue('/', { uris: [], ips: ['127.0.0.2'] })],
    [
      'this host, by an authority that is not known',
      createTestAuthority('web', { uris: [] }).issue('/', { ips: ['127.0.0.1'] }),
    ],
    ['this host, expired', WEB.issue('/', { uris: [], ips: ['127.0.0.1'], ...expired() })],
    ['a SPIFFE ID, which is not what this profile looks at', PARTNER.issue('/bundle')],
  ])('refuses a certificate for %s, without having asked for anything', async (_name, certificate) => {
    const server = await serve(always('{"keys":[]}'), certificate);
    expect((await refusalOf(fetchFrom(server.urlOf('/'))))[0]).toBe('untrusted-endpoint');
    await server.isLeft();
    expect(server.asked).toEqual([]);
  });

  it('knows nobody but the roots of the system when none are given', async () => {
    const server = await serve(always('{"keys":[]}'));
    const authentication: EndpointAuthentication = { kind: 'https_web', ca: null };
    const [code, message] = await refusalOf(
      createFetchDocument(systemClock)({
        url: server.urlOf('/'),
        authentication,
        signal: new AbortController().signal,
      }),
    );
    expect([code, message]).toEqual(['untrusted-endpoint', expect.stringContaining('UNABLE_TO_VERIFY_LEAF_SIGNATURE')]);
    expect(server.asked).toEqual([]);
  });

  it('keeps no cookies, and goes through no proxy that the environment names', async () => {
    const server = await serve((_request, response) => {
      response.setHeader('set-cookie', 'session=1; Secure');
      response.end('{}');
    });
    const before = process.env['HTTPS_PROXY'];
    process.env['HTTPS_PROXY'] = 'http://127.0.0.1:1';
    onTestFinished(() => {
      if (before === undefined) delete process.env['HTTPS_PROXY'];
      else process.env['HTTPS_PROXY'] = before;
    });
    const fetch = createFetcher({ clock: systemClock, lookup: systemLookup, isOffLimits });
    const request = { url: server.urlOf('/'), authentication: web, signal: new AbortController().signal };
    await fetch(request);
    await fetch(request);
    expect(server.asked).toHaveLength(2);
    expect(server.fields.cookie).toBeUndefined();
  });

  it('never resumes a TLS session', async () => {
    const server = await serve(always('{}'));
    const fetch = createFetcher({ clock: systemClock, lookup: systemLookup, isOffLimits });
    const request = { url: server.urlOf('/'), authentication: web, signal: new AbortController().signal };
    await fetch(request);
    await fetch(request);
    expect(server.handshakes).toBe(2);
  });
});

describe('https_spiffe (Federation §5.2.2.4)', () => {
  it('fetches from whoever has exactly that SPIFFE ID, whatever the host is called', async () => {
    const server = await serve(always('{"keys":[]}'), PARTNER.issue('/bundle'));
    const fetched = await fetchFrom(server.urlOf('/', 'localhost'), { authentication: spiffe() });
    expect(fetched.body.toString()).toBe('{"keys":[]}');
  });

  it('fetches through an intermediate, also when that is the authority', async () => {
    const intermediate = PARTNER.intermediate();
    const server = await serve(always('{}'), intermediate.issue('/bundle'));
    await fetchFrom(server.urlOf('/'), { authentication: spiffe() });
    await fetchFrom(server.urlOf('/'), { authentication: spiffe(ENDPOINT_ID, intermediate) });
    expect(server.asked).toHaveLength(2);
  });

  const impostor = createTestAuthority('partner.example');
  const foreign = testAuthority('other.example');
  it.each<[string, TestSvid, string]>([
    ['WA-163 another SPIFFE ID', PARTNER.issue('/bundles'), 'its SPIFFE ID is `spiffe://partner.example/bundles`'],
    ['an ID that begins the same', PARTNER.issue('/bundle/2'), 'its SPIFFE ID is'],
    ['the right ID, by another authority', impostor.issue('/bundle'), ''],
    ['the right ID, by an authority of another trust domain', foreign.issue('/', { uris: [ENDPOINT_ID] }), ''],
    ['an ID of another trust domain, by ours', PARTNER.issue('/', { uris: ['spiffe://other.example/bundle'] }), ''],
    ['two IDs', PARTNER.issue('/', { uris: [ENDPOINT_ID, 'spiffe://partner.example/x'] }), 'multiple-uri-names'],
    ['no ID', PARTNER.issue('/', { uris: [], ips: ['127.0.0.1'], dns: ['localhost'] }), 'no-spiffe-id'],
    ['the right ID, expired', PARTNER.issue('/bundle', expired()), 'CERT_HAS_EXPIRED'],
    ['the right ID, as a CA', PARTNER.issue('/bundle', { isCa: true }), ''],
    ['a host, by an authority of the web', HOST_CERTIFICATE, ''],
  ])('refuses a certificate for %s, without having asked for anything', async (_name, certificate, why) => {
    const server = await serve(always('{"keys":[]}'), certificate);
    const refused = await refusalOf(fetchFrom(server.urlOf('/'), { authentication: spiffe() }));
    expect(refused).toEqual(['untrusted-endpoint', expect.stringContaining(why)]);
    await server.isLeft();
    expect(server.asked).toEqual([]);
  });
});

describe('redirects', () => {
  const to = (location: string | readonly string[], status = 302): Answer => {
    return (request, response) => {
      if (request.url === '/there') return void response.end('{"there":1}');
      response.setHeader('location', location);
      response.writeHead(status);
      response.end('{"keys":[]}');
    };
  };

  it.each([301, 302, 303, 307, 308])(
    'are followed (%i), and forgotten: the next fetch begins where it was configured',
    async (status) => {
      const server = await serve(to('/there', status));
      const first = await fetchFrom(server.urlOf('/here'));
      expect(first).toEqual({ body: Buffer.from('{"there":1}'), url: server.urlOf('/there').href });
      await fetchFrom(server.urlOf('/here'));
      expect(server.asked).toEqual(['GET /here', 'GET /there', 'GET /here', 'GET /there']);
    },
  );

  it('lead to other hosts, each of which has to prove its name', async () => {
    const network = { lookup: everythingIsHere, isOffLimits: () => false };
    const certificate = WEB.issue('/', { uris: [], dns: ['cdn.partner.example'] });
    const cdn = await serve(always('{"from":"cdn"}'), certificate);
    const server = await serve(to(cdn.urlOf('/x', 'cdn.partner.example').href));
    expect((await fetchFrom(server.urlOf('/'), { network })).body.toString()).toBe('{"from":"cdn"}');
    const lying = await serve(to(cdn.urlOf('/x', 'static.partner.example').href));
    expect((await refusalOf(fetchFrom(lying.urlOf('/'), { network })))[0]).toBe('untrusted-endpoint');
    expect(cdn.asked).toHaveLength(1);
  });

  it('of https_spiffe lead only to the same SPIFFE ID (§5.2.2.4)', async () => {
    const network = { lookup: everythingIsHere, isOffLimits: () => false };
    const same = await serve(always('{"same":1}'), PARTNER.issue('/bundle'));
    const other = await serve(always('{"other":1}'), PARTNER.issue('/other'));
    const toSame = await serve(to(same.urlOf('/', 'cdn.partner.example').href), PARTNER.issue('/bundle'));
    const toOther = await serve(to(other.urlOf('/', 'cdn.partner.example').href), PARTNER.issue('/bundle'));
    const terms = { network, authentication: spiffe() };
    expect((await fetchFrom(toSame.urlOf('/'), terms)).body.toString()).toBe('{"same":1}');
    expect((await refusalOf(fetchFrom(toOther.urlOf('/'), terms)))[0]).toBe('untrusted-endpoint');
    expect(other.asked).toEqual([]);
  });

  it('are followed five times and not six', async () => {
    const countdown: Answer = (request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) return void response.end('{}');
      response.writeHead(302, { location: `/${left - 1}` });
      response.end();
    };
    const server = await serve(countdown);
    expect((await fetchFrom(server.urlOf('/5'))).body.toString()).toBe('{}');
    expect((await refusalOf(fetchFrom(server.urlOf('/6'))))[0]).toBe('redirect');
    const circle = await serve(to('/'));
    expect((await refusalOf(fetchFrom(circle.urlOf('/'))))[0]).toBe('redirect');
    expect(circle.asked).toHaveLength(6);
  });

  it.each<[string, string | readonly string[]]>([
    ['WA-163 to http', 'http://127.0.0.1/'],
    ['WA-163 to the metadata of a cloud', 'https://169.254.169.254/latest/meta-data/'],
    ['with userinfo', 'https://user@localhost/'],
    ['to another port of this machine', 'https://127.0.0.1:1/'],
    ['to this machine by name', 'https://localhost:1/'],
    ['to two places', ['/there', '/nowhere']],
  ])('are refused %s', async (_name, location) => {
    const server = await serve(to(location));
    expect((await refusalOf(fetchFrom(server.urlOf('/'))))[0]).toBe('redirect');
    expect(server.asked).toEqual(['GET /']);
  });

  it('are refused without a place', async () => {
    const server = await serve((_request, response) => void response.writeHead(302).end());
    expect((await refusalOf(fetchFrom(server.urlOf('/'))))[0]).toBe('redirect');
  });

  it('are refused to a name that turns out to be this machine, also when it was somebody else before (DNS rebinding)', async () => {
    const inside = await serve(always('{"secret":1}'), WEB.issue('/', { uris: [], dns: ['cdn.partner.example'] }));
    const server = await serve(to(inside.urlOf('/', 'cdn.partner.example').href));
    const answers = ['192.0.2.1', '127.0.0.1'];
    const lookups: string[] = [];
    const network: Partial<Network> = {
      lookup: (hostname, _options, callback) => {
        lookups.push(hostname);
        callback(null, [{ address: answers[lookups.length % 2] ?? '', family: 4 }]);
      },
    };
    // A check before the connection would have seen the first answer and connected to the second.
    expect(await refusalOf(fetchFrom(server.urlOf('/'), { network }))).toEqual([
      'redirect',
      'the redirect to `cdn.partner.example` leads to `127.0.0.1`, where no redirect may lead',
    ]);
    expect(lookups).toEqual(['cdn.partner.example']);
    expect(inside.asked).toEqual([]);
  });
});

describe('what is not taken in', () => {
  it.each([201, 204, 206, 300, 304, 305, 400, 401, 403, 404, 429, 500, 503])(
    'is an answer of status %i',
    async (status) => {
      const server = await serve((_request, response) => {
        response.writeHead(status, { location: '/there' });
        response.end(status === 204 || status === 304 ? undefined : '{"keys":[]}');
      });
      expect((await refusalOf(fetchFrom(server.urlOf('/'))))[0]).toBe('status');
      await server.isLeft();
    },
  );

  it.each(['gzip', 'br', 'deflate', 'x-unknown', 'identity, gzip'])('is a body encoded with %s', async (encoding) => {
    const server = await serve((_request, response) => {
      response.setHeader('content-encoding', encoding);
      response.end(gzipSync('{"keys":[]}'));
    });
    expect((await refusalOf(fetchFrom(server.urlOf('/'))))[0]).toBe('encoded-body');
  });

  it('is a byte more than 4 MiB', async () => {
    const server = await serve((request, response) => {
      response.end(' '.repeat(MAX_DOCUMENT_BYTES + (request.url === '/more' ? 1 : 0)));
    });
    expect((await fetchFrom(server.urlOf('/'))).body).toHaveLength(4 * 1024 * 1024);
    expect((await refusalOf(fetchFrom(server.urlOf('/more'))))[0]).toBe('too-large');
  });

  it('is a body without end, whatever length was announced', async () => {
    const server = await serve((_request, response) => {
      const block = Buffer.alloc(256 * 1024, ' ');
      const more = (): void => {
        while (response.write(block));
      };
      response.on('drain', more);
      more();
    });
    expect((await refusalOf(fetchFrom(server.urlOf('/'))))[0]).toBe('too-large');
    await server.isLeft();
  });

  it.each<[string, Answer]>([
    [
      'that is cut off',
      (_request, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('{');
        response.on('finish', () => undefined);
        setImmediate(() => response.socket?.destroy());
      },
    ],
    [
      'whose end never comes',
      (_request, response) => {
        response.write('{');
        setImmediate(() => response.socket?.destroy());
      },
    ],
    ['that is not HTTP', (_request, response) => void response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n')],
    [
      'with too many fields',
      (_request, response) => {
        response.setHeader('x', 'y'.repeat(64 * 1024));
        response.end('{}');
      },
    ],
    [
      'with two lengths',
      (_request, response) =>
        void response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'),
    ],
    ['that never was', (_request, response) => void response.socket?.destroy()],
  ])('is an answer %s', async (_name, answer) => {
    const server = await serve(answer);
    expect((await refusalOf(fetchFrom(server.urlOf('/'))))[0]).toBe('unreachable');
  });

  it('is anything from where nobody listens', async () => {
    const server = await serve(always('{}'));
    const url = server.urlOf('/');
    await server.close();
    const [code, message] = await refusalOf(fetchFrom(url));
    expect([code, message]).toEqual(['unreachable', expect.stringContaining('ECONNREFUSED')]);
  });
});

describe('a deadline', () => {
  const late = new FederationError('timeout', 'no bundle in time');

  async function cutOff(answer: Answer): Promise<readonly [code: string, message: string]> {
    const controller = new AbortController();
    const server = await serve((request, response) => {
      answer(request, response);
      setImmediate(() => controller.abort(late));
    });
    const refused = await refusalOf(fetchFrom(server.urlOf('/'), { signal: controller.signal }));
    await server.isLeft();
    return refused;
  }

  it.each<[string, Answer]>([
    ['that never answers', () => undefined],
    ['that drips', (_request, response) => void response.write('{')],
  ])('ends a server %s, and the connection to it', async (_name, answer) => {
    expect(await cutOff(answer)).toEqual(['timeout', 'no bundle in time']);
  });

  it('ends a handshake that goes on for ever', async () => {
    const controller = new AbortController();
    let left: () => void = () => undefined;
    const isLeft = new Promise<void>((resolve) => {
      left = resolve;
    });
    const mute = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('close', left);
      socket.once('data', () => controller.abort(late));
    });
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const address = mute.address();
    const url = new URL(`https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`);
    expect(await refusalOf(fetchFrom(url, { signal: controller.signal }))).toEqual(['timeout', 'no bundle in time']);
    await isLeft;
    mute.close();
  });

  it('that has passed lets nothing begin', async () => {
    const server = await serve(always('{}'));
    const refused = await refusalOf(fetchFrom(server.urlOf('/'), { signal: AbortSignal.abort(late) }));
    expect(refused[0]).toBe('timeout');
    expect(server.handshakes).toBe(0);
  });
});
