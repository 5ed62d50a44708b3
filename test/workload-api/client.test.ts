import { createServer, type Server, type Socket } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { AgentError, type AgentErrorCode, toAgentError } from '../../src/workload-api/agent-error.ts';
import { type Agent, ANSWER_TIMEOUT_MS, fetchJwtSvids, openStream } from '../../src/workload-api/client.ts';
import type { EndpointAddress } from '../../src/workload-api/endpoint-address.ts';
import { FETCH_JWT_SVID, FETCH_X509_SVID } from '../../src/workload-api/messages.ts';
import { FakeAgent, prefix, socketDirectory, STATUS } from './fake-agent.ts';
import { FakeTime } from './fake-time.ts';

type StreamEvent = { readonly message: string } | { readonly end: AgentErrorCode; readonly why: string };

/** A stream whose events a test takes one by one. */
class Opened {
  readonly close: () => void;
  readonly #events: StreamEvent[] = [];
  #arrival: (() => void) | null = null;

  constructor(agent: Agent) {
    this.close = openStream(agent, FETCH_X509_SVID, {
      onMessage: (message) => this.#add({ message: message.toString() }),
      onEnd: (error) => this.#add({ end: error.code, why: error.message }),
    });
  }

  /** Events that nobody has taken. */
  get eventCount(): number {
    return this.#events.length;
  }

  async next(): Promise<StreamEvent> {
    while (this.#events.length === 0) {
      await new Promise<void>((resolve) => {
        this.#arrival = resolve;
      });
    }
    const [event] = this.#events.splice(0, 1);
    if (event === undefined) throw new Error('no event');
    return event;
  }

  #add(event: StreamEvent): void {
    this.#events.push(event);
    this.#arrival?.();
  }
}

let directory: ReturnType<typeof socketDirectory>;
let address: EndpointAddress;
let time: FakeTime;
const agents: FakeAgent[] = [];
const servers: Server[] = [];
const opened: Opened[] = [];

beforeEach(() => {
  directory = socketDirectory();
  address = { kind: 'unix', path: join(directory.path, 'agent.sock') };
  time = new FakeTime();
});

afterEach(async () => {
  for (const stream of opened.splice(0)) stream.close();
  for (const agent of agents.splice(0)) await agent.close();
  for (const server of servers.splice(0)) server.close();
  directory.remove();
});

async function listen(at: EndpointAddress = address): Promise<FakeAgent> {
  const agent = await FakeAgent.listen(at);
  agents.push(agent);
  return agent;
}

function client(at: EndpointAddress = address): Agent {
  return { address: at, answerTimeoutMs: ANSWER_TIMEOUT_MS, schedule: time.schedule };
}

function open(at: EndpointAddress = address): Opened {
  const stream = new Opened(client(at));
  opened.push(stream);
  return stream;
}

/** A server that has connections, and says nothing on them. */
async function listenSilently(
  path: string,
): Promise<{ readonly connected: Promise<Socket>; readonly greeted: Promise<Socket> }> {
  const server = createServer();
  servers.push(server);
  const connected = new Promise<Socket>((resolve) => {
    server.once('connection', (socket: Socket) => {
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
  const greeted = connected.then(
    (socket) =>
      new Promise<Socket>((resolve) => {
        socket.once('data', () => resolve(socket));
      }),
  );
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return { connected, greeted };
}

const closing = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once('close', () => resolve());
  });

describe('client: requests', () => {
  it('WA-152 sends the security header with every request, and the request message', async () => {
    const agent = await listen();
    open();
    const stream = await agent.nextCall(FETCH_X509_SVID.path);
    expect(stream.headers).toMatchObject({
      ':method': 'POST',
      ':path': '/SpiffeWorkloadAPI/FetchX509SVID',
      'content-type': 'application/grpc',
      te: 'trailers',
      'workload.spiffe.io': 'true',
    });
    expect((await stream.request).length).toBe(0);
    const fetched = fetchJwtSvids(client(), { audiences: ['one', 'two'], id: null });
    const unary = await agent.nextCall(FETCH_JWT_SVID.path);
    expect(unary.headers).toMatchObject({
      ':path': '/SpiffeWorkloadAPI/FetchJWTSVID',
      'workload.spiffe.io': 'true',
    });
    expect(FETCH_JWT_SVID.request.decode(await unary.request)).toEqual({ audiences: ['one', 'two'], spiffeId: '' });
    unary.end(STATUS.unavailable);
    await expect(fetched).rejects.toMatchObject({ code: 'failed' });
  });

  it('WA-152 the agent of these tests refuses a request without the header', async () => {
    const { connect } = await import('node:http2');
    const agent = await listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    const session = connect(`http://127.0.0.1:${agent.port}`);
    const status = await new Promise((resolve) => {
      const request = session.request({ ':method': 'POST', ':path': FETCH_X509_SVID.path });
      request.once('response', (headers) => resolve(headers['grpc-status']));
      request.end(prefix(0, 0));
    });
    session.destroy();
    expect(status).toBe(String(STATUS.invalidArgument));
  });

  it.each<[string, string]>([
    ['IPv4', '127.0.0.1'],
    ['IPv6', '::1'],
  ])('reaches an agent by %s, and asks no proxy that the environment names', async (_name, host) => {
    const agent = await listen({ kind: 'tcp', host, port: 0 });
    const before = process.env['http_proxy'];
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    try {
      const stream = open({ kind: 'tcp', host, port: agent.port });
      (await agent.nextCall(FETCH_X509_SVID.path)).send(Buffer.from('first'));
      expect(await stream.next()).toEqual({ message: 'first' });
    } finally {
      if (before === undefined) delete process.env['http_proxy'];
      else process.env['http_proxy'] = before;
    }
  });

  it('opens a connection of its own for each call', async () => {
    const agent = await listen();
    const first = open();
    await agent.nextCall(FETCH_X509_SVID.path);
    open();
    await agent.nextCall(FETCH_X509_SVID.path);
    expect(agent.connectionCount).toBe(2);
    first.close();
  });
});

describe('client: streams', () => {
  it('hands over every message as it came, also one that no decoder takes', async () => {
    const agent = await listen();
    const stream = open();
    const call = await agent.nextCall(FETCH_X509_SVID.path);
    for (const message of ['first', '', 'x'.repeat(200_000)]) {
      call.send(Buffer.from(message));
      expect(await stream.next()).toEqual({ message });
    }
  });

  it('WA-154 keeps a stream that says nothing for a day after its first message', async () => {
    const agent = await listen();
    const stream = open();
    const call = await agent.nextCall(FETCH_X509_SVID.path);
    call.send(Buffer.from('first'));
    await stream.next();
    expect(time.delaysMs).toEqual([]);
    time.advance(24 * 3_600_000);
    call.send(Buffer.from('second'));
    expect(await stream.next()).toEqual({ message: 'second' });
  });

  it('gives up on an agent that connects and sends no message, and ends its connection', async () => {
    const agent = await listen();
    const stream = open();
    const call = await agent.nextCall(FETCH_X509_SVID.path);
    time.advance(ANSWER_TIMEOUT_MS - 1);
    expect(stream.eventCount).toBe(0);
    time.advance(1);
    expect(await stream.next()).toEqual({
      end: 'no-answer',
      why: `the agent at \`unix://${directory.path}/agent.sock\` sent nothing within 10 s`,
    });
    await call.closed;
    expect(time.delaysMs).toEqual([]);
  });

  it('ends the connection to an agent that accepts it and never speaks', async () => {
    const { greeted } = await listenSilently(join(directory.path, 'agent.sock'));
    const stream = open();
    const socket = await greeted;
    const closed = closing(socket);
    time.advance(ANSWER_TIMEOUT_MS);
    expect(await stream.next()).toMatchObject({ end: 'no-answer' });
    await closed;
  });

  it('ends the connection when it is closed before the agent speaks', async () => {
    const { greeted } = await listenSilently(join(directory.path, 'agent.sock'));
    const stream = open();
    const socket = await greeted;
    const closed = closing(socket);
    stream.close();
    await closed;
    expect([stream.eventCount, time.delaysMs]).toEqual([0, []]);
  });

  it('leaves no connection when it is closed while it connects', async () => {
    const { connected } = await listenSilently(join(directory.path, 'agent.sock'));
    const early = open();
    early.close();
    const late = open();
    await connected;
    late.close();
    const [server] = servers.splice(0);
    // A server has closed when every connection to it has ended.
    await new Promise((resolve) => {
      server?.close(resolve);
    });
    expect([early.eventCount, late.eventCount]).toEqual([0, 0]);
  });

  it('leaves no connection when it is closed an instant after it began to connect', async () => {
    await listenSilently(join(directory.path, 'agent.sock'));
    const stream = open();
    // By the second turn grpc-js has called connect(), whose answer is not there before the third.
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    stream.close();
    const [server] = servers.splice(0);
    await new Promise((resolve) => {
      server?.close(resolve);
    });
    expect(stream.eventCount).toBe(0);
  });

  it('hears nothing after it is closed, and the agent sees it go', async () => {
    const agent = await listen();
    const stream = open();
    const call = await agent.nextCall(FETCH_X509_SVID.path);
    call.send(Buffer.from('first'));
    await stream.next();
    stream.close();
    await call.closed;
    expect([stream.eventCount, time.delaysMs]).toEqual([0, []]);
  });

  it('lets a listener close the stream from within a message', async () => {
    const agent = await listen();
    const heard: string[] = [];
    await new Promise<void>((resolve) => {
      const close = openStream(client(), FETCH_X509_SVID, {
        onMessage(message) {
          heard.push(message.toString());
          close();
          resolve();
        },
        onEnd: ({ code }) => heard.push(code),
      });
      void agent.nextCall(FETCH_X509_SVID.path).then((call) => {
        call.send(Buffer.from('first'));
        call.send(Buffer.from('second'));
        call.end(STATUS.ok);
      });
    });
    expect(heard).toEqual(['first']);
  });
});

describe('client: failures', () => {
  it.each<[string, number, AgentErrorCode]>([
    ['Ok', STATUS.ok, 'stream-ended'],
    ['InvalidArgument', STATUS.invalidArgument, 'invalid-argument'],
    ['PermissionDenied', STATUS.permissionDenied, 'permission-denied'],
    ['Unimplemented', STATUS.unimplemented, 'unimplemented'],
    ['Unavailable', STATUS.unavailable, 'failed'],
    ['ResourceExhausted', STATUS.resourceExhausted, 'response-too-large'],
    ['Internal', STATUS.internal, 'failed'],
    ['a status that is none', 99, 'failed'],
  ])('WA-156 tells %s, before and after a message', async (_name, status, code) => {
    const agent = await listen();
    const before = open();
    (await agent.nextCall(FETCH_X509_SVID.path)).end(status, 'said `so`');
    expect(await before.next()).toMatchObject({ end: code });
    const after = open();
    const call = await agent.nextCall(FETCH_X509_SVID.path);
    call.send(Buffer.from('first'));
    expect(await after.next()).toEqual({ message: 'first' });
    call.end(status);
    expect(await after.next()).toMatchObject({ end: code });
    expect([before.eventCount, after.eventCount, time.delaysMs]).toEqual([0, 0, []]);
  });

  it('quotes what the agent said, and names address, method and status', async () => {
    const agent = await listen();
    const stream = open();
    (await agent.nextCall(FETCH_X509_SVID.path)).end(STATUS.permissionDenied, 'no identity issued\n\u001b[31m');
    expect(await stream.next()).toMatchObject({
      why: `the agent at \`unix://${directory.path}/agent.sock\` has nothing for this workload; is there a registration entry whose selectors it has? (/SpiffeWorkloadAPI/FetchX509SVID: PERMISSION_DENIED \`no identity issued\\u{a}\\u{1b}[31m\`)`,
    });
  });

  it.each<[string, (call: Awaited<ReturnType<FakeAgent['nextCall']>>) => void, AgentErrorCode]>([
    ['an agent that resets the stream', (call) => call.reset(), 'failed'],
    ['a web server with 404', (call) => call.endHttp(404), 'unimplemented'],
    ['a web server with 503', (call) => call.endHttp(503), 'failed'],
    ['a message cut short', (call) => (call.sendFrame(prefix(9, 0)), call.end(STATUS.ok)), 'stream-ended'],
    [
      'compression that nobody declared',
      (call) => call.sendFrame(Buffer.concat([prefix(3, 1), Buffer.from('abc')])),
      'failed',
    ],
  ])('ends after %s', async (_name, answer, code) => {
    const agent = await listen();
    const stream = open();
    answer(await agent.nextCall(FETCH_X509_SVID.path));
    expect(await stream.next()).toMatchObject({ end: code });
  });

  it('tells that the agent has gone when the connection ends', async () => {
    const agent = await listen();
    const stream = open();
    (await agent.nextCall(FETCH_X509_SVID.path)).send(Buffer.from('first'));
    await stream.next();
    await agent.close();
    agents.length = 0;
    expect(await stream.next()).toMatchObject({ end: 'failed' });
  });

  it('ends with an error of its own when something else than HTTP/2 answers', async () => {
    const { connected } = await listenSilently(join(directory.path, 'agent.sock'));
    const stream = open();
    (await connected).write('HTTP/1.1 400 Bad Request\r\n\r\n');
    expect(await stream.next()).toMatchObject({ end: 'failed' });
  });

  it('names the socket that is not there', async () => {
    expect(await open().next()).toEqual({
      end: 'unreachable',
      why: `there is no socket at \`unix://${directory.path}/agent.sock\`; is the agent running, and is its socket directory mounted here?`,
    });
  });

  it('names a file that is no socket, or one that nobody listens at', async () => {
    writeFileSync(join(directory.path, 'agent.sock'), '');
    expect(await open().next()).toEqual({
      end: 'unreachable',
      why: `nobody listens at \`unix://${directory.path}/agent.sock\`; has the agent ended, or not started yet?`,
    });
  });

  it('tries an agent anew with each call, however lately it was not there', async () => {
    expect(await open().next()).toMatchObject({ end: 'unreachable' });
    const agent = await listen();
    const stream = open();
    (await agent.nextCall(FETCH_X509_SVID.path)).send(Buffer.from('first'));
    expect(await stream.next()).toEqual({ message: 'first' });
  });

  it('names a port that nobody listens at', async () => {
    const agent = await listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    const { port } = agent;
    await agent.close();
    agents.length = 0;
    expect(await open({ kind: 'tcp', host: '127.0.0.1', port }).next()).toMatchObject({
      end: 'unreachable',
      why: `nobody listens at \`tcp://127.0.0.1:${port}\`; has the agent ended, or not started yet?`,
    });
  });

  it('quotes an error of the gRPC library that is no status', () => {
    const error = toAgentError(new Error('compressed'), { kind: 'tcp', host: '::1', port: 1 }, '/m');
    expect([error.code, error.message]).toEqual([
      'failed',
      'the agent at `tcp://[::1]:1` failed (/m: UNKNOWN `compressed`)',
    ]);
  });

  it('says what a socket that this process may not use needs', () => {
    // Tests may run as root, whom no permission stops; the text is what gRPC makes of the error.
    const details = 'No connection established. Last error: Error: connect EACCES /run/agent.sock. Resolution note: ';
    const error = toAgentError({ code: STATUS.unavailable, details }, { kind: 'unix', path: '/run/agent.sock' }, 'm');
    expect([error.code, error.message]).toEqual([
      'unreachable',
      'this process may not connect to `unix:///run/agent.sock`; it must be able to write to the socket and to search its directories',
    ]);
  });
});

describe('client: limits', () => {
  it('WA-161 refuses a message of over 16 MiB by its prefix, before it is there', async () => {
    const agent = await listen();
    const stream = open();
    const call = await agent.nextCall(FETCH_X509_SVID.path);
    call.sendFrame(prefix(50 * 1024 * 1024, 0));
    expect(await stream.next()).toMatchObject({ end: 'response-too-large' });
    await call.closed;
  });

  it('WA-161 refuses a message that is small until it is decompressed', async () => {
    const agent = await listen();
    const stream = open();
    const call = await agent.nextCall(FETCH_X509_SVID.path);
    const bomb = deflateSync(Buffer.alloc(50 * 1024 * 1024));
    call.sendFrame(Buffer.concat([prefix(bomb.length, 1), bomb]), { 'grpc-encoding': 'deflate' });
    expect(await stream.next()).toMatchObject({ end: 'response-too-large' });
  });

  it('takes a message of 16 MiB', async () => {
    const agent = await listen();
    const stream = open();
    (await agent.nextCall(FETCH_X509_SVID.path)).send(Buffer.alloc(16 * 1024 * 1024, 'x'));
    const event = await stream.next();
    expect('message' in event ? event.message.length : event).toBe(16 * 1024 * 1024);
  });
});

describe('client: JWT-SVIDs', () => {
  const id = parseSpiffeId('spiffe://ai.example/registry');
  const encode = (svids: readonly { spiffeId: string; svid: string }[]): Buffer =>
    FETCH_JWT_SVID.response.encode({ svids: svids.map((svid) => ({ ...svid, hint: '' })) });

  async function fetchWith(answer: Buffer): Promise<unknown> {
    const agent = await listen();
    const fetched = fetchJwtSvids(client(), { audiences: ['one'], id });
    const call = await agent.nextCall(FETCH_JWT_SVID.path);
    expect(FETCH_JWT_SVID.request.decode(await call.request).spiffeId).toBe(id);
    call.send(answer);
    call.end(STATUS.ok);
    return fetched;
  }

  it('fetches what the agent gives', async () => {
    const svids = [{ spiffeId: id, svid: 'a.b.c' }];
    expect(await fetchWith(encode(svids))).toEqual([{ ...svids[0], hint: '' }]);
    expect(time.delaysMs).toEqual([]);
  });

  it.each<[string, Buffer]>([
    ['no JWT-SVID', encode([])],
    ['no token', encode([{ spiffeId: id, svid: '' }])],
    ['no ID', encode([{ spiffeId: '', svid: 'a.b.c' }])],
    ['another ID', encode([{ spiffeId: 'spiffe://ai.example/other', svid: 'a.b.c' }])],
    ['bytes that are no message', Buffer.from([0x0a])],
  ])('refuses an answer with %s', async (_name, answer) => {
    await expect(fetchWith(answer)).rejects.toMatchObject({ code: 'malformed-response' });
  });

  it.each<[string, number, AgentErrorCode]>([
    ['PermissionDenied', STATUS.permissionDenied, 'permission-denied'],
    ['InvalidArgument', STATUS.invalidArgument, 'invalid-argument'],
    ['nothing at all and no error', STATUS.ok, 'unimplemented'],
  ])('fails with %s', async (_name, status, code) => {
    const agent = await listen();
    const fetched = fetchJwtSvids(client(), { audiences: ['one'], id: null });
    (await agent.nextCall(FETCH_JWT_SVID.path)).end(status);
    await expect(fetched).rejects.toMatchObject({ code });
    expect(time.delaysMs).toEqual([]);
  });

  it('gives up on an agent that does not answer', async () => {
    const agent = await listen();
    const fetched = fetchJwtSvids(client(), { audiences: ['one'], id: null });
    const call = await agent.nextCall(FETCH_JWT_SVID.path);
    const refused = expect(fetched).rejects.toBeInstanceOf(AgentError);
    time.advance(ANSWER_TIMEOUT_MS);
    await refused;
    await call.closed;
  });
});
