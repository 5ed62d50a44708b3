// Each role against the other one of node:http2, which knows nothing of ours.

import { once } from 'node:events';
import * as http2 from 'node:http2';
import { connect, createServer, type AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { attachEndpoint, RecordingOwner, RecordingUser, REQUEST } from '../support/http2-endpoint.ts';

const BODY = Buffer.alloc(3_000_000, 'sallyport ');

async function startOurServer(): Promise<{ port: number; owner: RecordingOwner }> {
  const owner = new RecordingOwner();
  const server = createServer((socket) => {
    attachEndpoint('server', socket, owner);
    onTestFinished(() => void socket.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, owner };
}

function connectNode(port: number): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  return session;
}

async function readAll(stream: http2.Http2Stream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  stream.on('data', (bytes: Buffer) => pieces.push(bytes));
  await once(stream, 'end');
  return Buffer.concat(pieces);
}

describe('a client of node:http2 and our server', () => {
  it('exchange bodies far above all windows, and trailers', async () => {
    const { port, owner } = await startOurServer();
    owner.onOpened = ({ channel, user }) => {
      user.onTold = (word) => {
        if (word === 'headers') return;
        if (word !== 'ended') return;
        channel.sendHeaders([':status', '200', 'x-got', String(user.body.length)], false);
        channel.sendData(user.body, null);
        channel.sendEnd(['x-end', 'yes']);
      };
      channel.resume();
    };
    const session = connectNode(port);
    const stream = session.request({ ':method': 'POST', ':path': '/up' });
    stream.end(BODY);
    const trailers = once(stream, 'trailers');
    const [headers] = await once(stream, 'response');
    const body = await readAll(stream);
    expect(headers['x-got']).toBe(String(BODY.length));
    expect(body.equals(BODY)).toBe(true);
    expect((await trailers)[0]['x-end']).toBe('yes');
    await new Promise<void>((resolve) => session.close(resolve));
    const [opened] = owner.opened;
    expect(opened?.user.told.at(-1)).toBe('closed');
    expect(owner.violation).toBeNull();
  });

  it('carry a hundred requests at a time', async () => {
    const { port, owner } = await startOurServer();
    owner.onOpened = ({ channel, fields }) => {
      channel.sendHeaders([':status', '200'], false);
      channel.sendData(Buffer.from(fields[fields.indexOf(':path') + 1] ?? ''), null);
      channel.sendEnd([]);
      channel.resume();
    };
    const session = connectNode(port);
    const bodies = Array.from({ length: 100 }, (_, at) => readAll(session.request({ ':path': `/${at}` })));
    const texts = (await Promise.all(bodies)).map((body) => body.toString());
    expect(texts).toEqual(Array.from({ length: 100 }, (_, at) => `/${at}`));
  });

  it('see a PING answered and a reset told', async () => {
    const { port, owner } = await startOurServer();
    const session = connectNode(port);
    await once(session, 'remoteSettings');
    await new Promise<void>((resolve, reject) => session.ping((error) => (error === null ? resolve() : reject(error))));
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => undefined);
    await new Promise<void>((resolve) => {
      owner.onOpened = ({ user }) => {
        user.onTold = (word) => {
          if (word === 'closed') resolve();
        };
        stream.close(http2.constants.NGHTTP2_CANCEL);
      };
    });
    expect(owner.opened[0]?.user.told).toEqual(['reset peer 8', 'closed']);
  });
});

describe('our client and a server of node:http2', () => {
  async function connectOurs(listener: (stream: http2.ServerHttp2Stream) => void) {
    const server = http2.createServer();
    server.on('stream', listener);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    onTestFinished(() => void socket.destroy());
    const owner = new RecordingOwner();
    return { endpoint: attachEndpoint('client', socket, owner), owner };
  }

  async function closed(user: RecordingUser): Promise<void> {
    await new Promise<void>((resolve) => {
      user.onTold = (word) => {
        if (word === 'closed') resolve();
      };
    });
  }

  it('exchange bodies far above all windows, interim heads and trailers', async () => {
    const { endpoint, owner } = await connectOurs((stream) => {
      stream.additionalHeaders({ ':status': 103 });
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      stream.pipe(stream);
    });
    const user = new RecordingUser();
    const channel = endpoint.open(
      REQUEST.filter((_, at) => at < 8),
      false,
      user,
    );
    channel?.sendData(BODY, null);
    channel?.sendEnd([]);
    await closed(user);
    expect(user.body.equals(BODY)).toBe(true);
    expect(user.told.slice(0, 2)).toEqual(['headers', 'headers']);
    expect(user.told.slice(-3)).toEqual(['trailers', 'ended', 'closed']);
    expect(user.lastFields).toEqual(['x-end', 'yes']);
    expect(owner.violation).toBeNull();
  });

  it('agree on where a connection ends', async () => {
    const { endpoint, owner } = await connectOurs((stream) => {
      stream.respond({ ':status': 204 }, { endStream: true });
      stream.session?.close();
    });
    const user = new RecordingUser();
    endpoint.open([':method', 'GET', ':scheme', 'http', ':authority', 'a', ':path', '/'], true, user);
    await closed(user);
    expect(user.told).toEqual(['sent', 'headers+end', 'ended', 'closed']);
    expect(owner.told).toContain('goaway 0 1');
    expect(endpoint.open(REQUEST, true, new RecordingUser())).toBeNull();
  });
});
