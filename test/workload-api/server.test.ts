// The Workload API server with answers that a test makes up, as a client without opinions meets it.

import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import {
  FETCH_JWT_BUNDLES,
  FETCH_JWT_SVID,
  FETCH_X509_BUNDLES,
  FETCH_X509_SVID,
  type JwtSvidRequest,
} from '../../src/workload-api/messages.ts';
import { type Answer, type StreamedAnswers, WorkloadApiServer } from '../../src/workload-api/server.ts';
import { VALIDATE_JWT_SVID } from '../../src/workload-api/server-validation.ts';
import { temporaryDirectory } from './server-agent-fixture.ts';
import { call, callWithBytes, connect, metadataOf, openStream } from './raw-client.ts';

const REQUEST: JwtSvidRequest = { audiences: ['a'], spiffeId: '' };
const VALIDATION = { audience: 'a', svid: 'token' };
const JWT_SVID = { svids: [{ spiffeId: 'spiffe://ai.example/x', svid: 'a.b.c', hint: '' }] };

function streamed(name: string, bytes = Buffer.alloc(0)): StreamedAnswers {
  const bundles = new Map([[name, bytes]]);
  return {
    x509Svids: FETCH_X509_SVID.response.encode({ svids: [], crls: [], federatedBundles: bundles }),
    x509Bundles: FETCH_X509_BUNDLES.response.encode({ crls: [], bundles }),
    jwtBundles: FETCH_JWT_BUNDLES.response.encode({ bundles }),
  };
}

interface TestServer {
  readonly server: WorkloadApiServer;
  readonly cell: SnapshotCell<StreamedAnswers | null>;
  readonly endpoint: string;
  readonly path: string;
  readonly requests: unknown[];
}

async function serve(initial: StreamedAnswers | null = streamed('first')): Promise<TestServer> {
  const cell = new SnapshotCell<StreamedAnswers | null>(initial);
  const requests: unknown[] = [];
  const answer = (request: unknown, message: Buffer): Answer => {
    requests.push(request);
    return { kind: 'answered', message };
  };
  const server = new WorkloadApiServer({
    streamed: cell,
    answerJwtSvid: (request) => answer(request, FETCH_JWT_SVID.response.encode(JWT_SVID)),
    answerValidation: (request) =>
      answer(request, VALIDATE_JWT_SVID.response.encode({ spiffeId: 'x', claims: Buffer.alloc(0) })),
  });
  const path = join(temporaryDirectory(), 'agent.sock');
  await server.listen({ address: { kind: 'unix', path }, mode: 0o600 });
  onTestFinished(() => server.close());
  return { server, cell, endpoint: `unix://${path}`, path, requests };
}

class CountingCell extends SnapshotCell<StreamedAnswers | null> {
  subscribers = 0;

  override subscribe(...args: Parameters<SnapshotCell<StreamedAnswers | null>['subscribe']>): () => void {
    this.subscribers += 1;
    const unsubscribe = super.subscribe(...args);
    return () => {
      this.subscribers -= 1;
      unsubscribe();
    };
  }
}

const empty: Answer = { kind: 'answered', message: Buffer.alloc(0) };
const silent = { answerJwtSvid: () => empty, answerValidation: () => empty };

const namesOf = ({ bundles }: { readonly bundles: ReadonlyMap<string, Uint8Array> }) => [...bundles.keys()];

describe('the header that every request has to carry', () => {
  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ['none', []],
    ['`false`', ['false']],
    ['`True`', ['True']],
    ['`1`', ['1']],
    ['nothing in it', ['']],
    ['`true` twice', ['true', 'true']],
    ['`true` and more', ['true', 'false']],
  ];

  it.each(wrong)('WA-152 refuses streams with %s', async (_name, values) => {
    const { endpoint, server } = await serve();
    const client = connect(endpoint);
    for (const method of [FETCH_X509_SVID, FETCH_X509_BUNDLES, FETCH_JWT_BUNDLES]) {
      const stream = openStream<unknown>(client, method, metadataOf(...values));
      expect(await stream.ended).toEqual({
        code: status.INVALID_ARGUMENT,
        details: 'security header missing from request',
      });
      expect(stream.waiting).toBe(0);
    }
    expect(server.streams).toBe(0);
  });

  it.each(wrong)('WA-152 refuses calls with %s', async (_name, values) => {
    const { endpoint, requests } = await serve();
    const client = connect(endpoint);
    const refused = { code: status.INVALID_ARGUMENT, details: 'security header missing from request' };
    expect(await call(client, FETCH_JWT_SVID, REQUEST, metadataOf(...values))).toEqual(refused);
    expect(await call(client, VALIDATE_JWT_SVID, VALIDATION, metadataOf(...values))).toEqual(refused);
    expect(requests).toEqual([]);
  });

  it('WA-152 is asked for also where nobody has an identity', async () => {
    const { endpoint } = await serve(null);
    const { code } = await openStream(connect(endpoint), FETCH_X509_SVID, metadataOf()).ended;
    expect(code).toBe(status.INVALID_ARGUMENT);
  });
});

describe('streams', () => {
  it('begin with the state there is, and go on with every other one', async () => {
    const { endpoint, cell } = await serve();
    const client = connect(endpoint);
    const svids = openStream(client, FETCH_X509_SVID);
    const bundles = openStream(client, FETCH_X509_BUNDLES);
    const jwtBundles = openStream(client, FETCH_JWT_BUNDLES);
    for (const name of ['first', 'second', 'third']) {
      if (name !== 'first') cell.swap(streamed(name));
      expect([...(await svids.next()).federatedBundles.keys()]).toEqual([name]);
      expect(namesOf(await bundles.next())).toEqual([name]);
      expect(namesOf(await jwtBundles.next())).toEqual([name]);
    }
  });

  it('are told once what stays as it was', async () => {
    const { endpoint, cell } = await serve();
    const stream = openStream(connect(endpoint), FETCH_X509_BUNDLES);
    await stream.next();
    cell.swap(streamed('first'));
    cell.swap(streamed('second'));
    expect(namesOf(await stream.next())).toEqual(['second']);
    expect(stream.waiting).toBe(0);
  });

  it('end with PermissionDenied when there is nothing left to issue, and so do new ones', async () => {
    const { endpoint, cell, server } = await serve();
    const client = connect(endpoint);
    const open = [FETCH_X509_SVID, FETCH_X509_BUNDLES, FETCH_JWT_BUNDLES].map((method) =>
      openStream<unknown>(client, method),
    );
    for (const stream of open) await stream.next();
    cell.swap(null);
    const late = [FETCH_X509_SVID, FETCH_X509_BUNDLES, FETCH_JWT_BUNDLES].map((method) =>
      openStream<unknown>(client, method),
    );
    for (const stream of [...open, ...late]) {
      expect(await stream.ended).toEqual({ code: status.PERMISSION_DENIED, details: 'no identity issued' });
    }
    expect(server.streams).toBe(0);
    cell.swap(streamed('again'));
    expect(namesOf(await openStream(client, FETCH_X509_BUNDLES).next())).toEqual(['again']);
  });

  it('are forgotten when their client goes', async () => {
    const { endpoint, server, cell } = await serve();
    const client = connect(endpoint);
    const stream = openStream(client, FETCH_X509_SVID);
    const other = openStream(client, FETCH_X509_BUNDLES);
    await stream.next();
    await other.next();
    expect(server.streams).toBe(2);
    stream.cancel();
    await stream.ended;
    // The server reads the reset before whatever is sent after it on the same connection.
    await openStream(client, FETCH_JWT_BUNDLES, metadataOf()).ended;
    expect(server.streams).toBe(1);
    cell.swap(streamed('second'));
    expect(namesOf(await other.next())).toEqual(['second']);
  });

  it('WA-152 are refused when their request is not a message', async () => {
    const { endpoint } = await serve();
    const method = { ...FETCH_X509_SVID, request: { ...FETCH_X509_SVID.request, encode: () => Buffer.from([0x0a]) } };
    const { code } = await openStream(connect(endpoint), method).ended;
    expect(code).toBe(status.INVALID_ARGUMENT);
  });

  it('hold back for a client that does not read, and then tell it the latest alone', async () => {
    const { endpoint, path, cell } = await serve();
    const large = Buffer.alloc(1 << 20, 1);
    // Node's own HTTP/2 client takes nothing while nobody reads, where that of gRPC takes 16 messages in advance.
    const session = connectHttp2('http://localhost', { createConnection: () => createConnection(path) });
    onTestFinished(() => session.destroy());
    const slow = session.request({
      ':method': 'POST',
      ':path': FETCH_X509_BUNDLES.path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'workload.spiffe.io': 'true',
    });
    slow.end(Buffer.alloc(5));
    await once(slow, 'response');
    const watcher = openStream(connect(endpoint), FETCH_X509_BUNDLES);
    await watcher.next();
    const rounds = 20;
    for (let round = 1; round <= rounds; round += 1) {
      cell.swap(streamed(`round ${round}.`, large));
      expect(namesOf(await watcher.next())).toEqual([`round ${round}.`]);
    }
    let bytes = Buffer.alloc(0);
    for await (const chunk of slow) {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length > 2 * large.length) break;
    }
    const told = bytes.toString('latin1').match(/first|round \d+\./g);
    expect(told).toEqual(['first', 'round 1.', `round ${rounds}.`]);
  });

  it('serve many clients, on one connection or on many', async () => {
    const { endpoint, cell, server } = await serve();
    const clients = Array.from({ length: 20 }, () => connect(endpoint));
    const streams = clients.flatMap((client) => [1, 2, 3].map(() => openStream(client, FETCH_X509_BUNDLES)));
    await Promise.all(streams.map((stream) => stream.next()));
    expect(server.streams).toBe(60);
    cell.swap(streamed('second'));
    for (const message of await Promise.all(streams.map((stream) => stream.next()))) {
      expect(namesOf(message)).toEqual(['second']);
    }
  });
});

describe('calls', () => {
  it('are answered, with what was asked', async () => {
    const { endpoint, requests } = await serve();
    const client = connect(endpoint);
    expect(await call(client, FETCH_JWT_SVID, REQUEST)).toEqual({ code: 0, response: JWT_SVID });
    expect(await call(client, VALIDATE_JWT_SVID, VALIDATION)).toMatchObject({ code: 0 });
    expect(requests).toEqual([REQUEST, VALIDATION]);
  });

  it.each([
    ['bytes that are no message', Buffer.from([0x0a, 0xff])],
    ['a string that is not UTF-8', Buffer.from([0x0a, 0x01, 0xff])],
    ['a number where text belongs', Buffer.from([0x10, 0x01])],
  ])('are refused with %s', async (_name, bytes) => {
    const { endpoint, requests } = await serve();
    expect(await callWithBytes(connect(endpoint), FETCH_JWT_SVID, bytes)).toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    expect(requests).toEqual([]);
  });

  it('WA-161 are refused when they are larger than any need be', async () => {
    const { endpoint, requests } = await serve();
    const client = connect(endpoint);
    const huge = { ...VALIDATION, svid: 'x'.repeat(300_000) };
    expect(await call(client, VALIDATE_JWT_SVID, huge)).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(requests).toEqual([]);
    expect(await call(client, FETCH_JWT_SVID, REQUEST)).toMatchObject({ code: 0 });
  });

  it('of other methods are not implemented', async () => {
    const { endpoint } = await serve();
    const client = connect(endpoint);
    for (const path of ['/SpiffeWorkloadAPI/FetchWITSVID', '/spiffe.WorkloadAPI/FetchX509SVID', '/']) {
      const method = { path, response: FETCH_JWT_SVID.response };
      expect(await callWithBytes(client, method, Buffer.alloc(0))).toMatchObject({ code: status.UNIMPLEMENTED });
    }
  });
});

describe('connections', () => {
  it('that do not speak HTTP/2 hurt nobody', async () => {
    const { endpoint, path } = await serve();
    for (const bytes of [
      'GET / HTTP/1.1\r\n\r\n',
      '\0\0\0\0',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish and more of it',
    ]) {
      const socket = createConnection(path);
      socket.write(bytes);
      socket.resume();
      await once(socket, 'close');
    }
    expect(namesOf(await openStream(connect(endpoint), FETCH_X509_BUNDLES).next())).toEqual(['first']);
  });

  it('are limited in number, and taken again when others go', async () => {
    const { endpoint, path } = await serve();
    const sockets = await Promise.all(
      Array.from({ length: 256 }, async () => {
        const socket = createConnection(path);
        await once(socket, 'connect');
        return socket;
      }),
    );
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    const refused = createConnection(path);
    refused.resume();
    await once(refused, 'close');
    const [first] = sockets;
    first?.destroy();
    const stream = openStream(connect(endpoint), FETCH_X509_BUNDLES);
    expect(namesOf(await stream.next())).toEqual(['first']);
  });
});

describe('close', () => {
  it('breaks connections, so that clients see an agent that has gone, and frees the address', async () => {
    const { endpoint, server, cell, path } = await serve();
    const client = connect(endpoint);
    const stream = openStream(client, FETCH_X509_SVID);
    await stream.next();
    await server.close();
    expect((await stream.ended).code).toBe(status.UNAVAILABLE);
    cell.swap(streamed('nobody hears this'));
    const again = new WorkloadApiServer({ streamed: cell, ...silent });
    onTestFinished(() => again.close());
    await again.listen({ address: { kind: 'unix', path }, mode: 0o600 });
    const next = await openStream(connect(endpoint), FETCH_X509_BUNDLES).next();
    expect(namesOf(next)).toEqual(['nobody hears this']);
  });

  it('leaves nobody behind who listens for changes', async () => {
    const cell = new CountingCell(streamed('first'));
    const server = new WorkloadApiServer({ streamed: cell, ...silent });
    expect(cell.subscribers).toBe(1);
    await server.close();
    expect(cell.subscribers).toBe(0);
  });

  it('does not wait for a client that does not read', async () => {
    const { endpoint, server, cell } = await serve();
    const stream = openStream(connect(endpoint), FETCH_X509_BUNDLES);
    await stream.next();
    stream.pause();
    cell.swap(streamed('large', Buffer.alloc(1 << 22)));
    await server.close();
  });
});
