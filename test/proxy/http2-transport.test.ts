import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Endpoint, EndpointOutput } from '../../src/http2/endpoint-ports.ts';
import { ERROR_CODE, type ErrorCode } from '../../src/http2/frame.ts';
import { Http2Transport } from '../../src/proxy/http2-transport.ts';

const MIB = 1024 * 1024;
const open: Socket[] = [];

afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

/** Says what a test has it say, and notes what it is told. */
class ScriptedEndpoint implements Endpoint {
  readonly told: string[] = [];
  readonly streamCount = 0;
  readonly unfinished = null;
  waiting: Buffer[] = [];
  /** In what each read brings. */
  frames = 1;
  onReceive: () => void = () => undefined;
  onFlush: () => void = () => undefined;

  receive(bytes: Buffer): number {
    this.told.push(`receive ${bytes.toString('latin1')}`);
    this.onReceive();
    return this.frames;
  }

  flush(output: EndpointOutput): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const bytes of waiting) this.told.push(`wrote ${bytes.length}: ${output.write(bytes, null)}`);
    this.onFlush();
  }

  drained(): void {
    this.told.push('drained');
  }

  fail(code: ErrorCode): void {
    this.told.push(`fail ${code}`);
    this.waiting.push(Buffer.from('goaway'));
  }

  disconnected(): void {
    this.told.push('disconnected');
  }

  open(): null {
    return null;
  }

  ping(): void {}

  notice(): void {}

  close(): void {}
}

async function openTransport(): Promise<{
  readonly endpoint: ScriptedEndpoint;
  readonly transport: Http2Transport;
  readonly here: Socket;
  readonly there: Socket;
}> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const { port } = server.address() as AddressInfo;
  const there = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [here] = (await accepted) as [Socket];
  server.close();
  open.push(here, there);
  const endpoint = new ScriptedEndpoint();
  return { endpoint, transport: new Http2Transport(here, endpoint), here, there };
}

async function readAll(socket: Socket): Promise<string> {
  let text = '';
  for await (const bytes of socket) text += String(bytes);
  return text;
}

describe('an HTTP/2 endpoint over a socket', () => {
  it('answers what a read brings in the same turn, in one write', async () => {
    const { endpoint, transport, here, there } = await openTransport();
    const writev = vi.spyOn(here, '_writev');
    const write = vi.spyOn(here, '_write');
    endpoint.onReceive = () => {
      endpoint.waiting.push(Buffer.from('one '), Buffer.from('two '));
      transport.outputWaits();
      endpoint.waiting.push(Buffer.from('three'));
    };
    there.write('question');
    const [bytes] = await once(there, 'data');
    expect(String(bytes)).toBe('one two three');
    expect(writev).toHaveBeenCalledTimes(1);
    expect(write).not.toHaveBeenCalled();
  });

  it('H2-90 lets others have their turn between frames that come by the thousand', async () => {
    const { endpoint, there } = await openTransport();
    const read = { times: 0, bytes: 0 };
    endpoint.frames = 500;
    endpoint.onReceive = () => {
      read.times += 1;
      read.bytes += (endpoint.told.pop() ?? '').length - 'receive '.length;
    };
    there.write(Buffer.alloc(4 * MIB, 'x'));
    let mostTimes = 0;
    for (let known = 0; read.bytes < 4 * MIB; known = read.times) {
      await new Promise(setImmediate);
      mostTimes = Math.max(mostTimes, read.times - known);
    }
    expect(mostTimes).toBeLessThanOrEqual(4);
  });

  it('writes what waits otherwise once a turn', async () => {
    const { endpoint, transport, there } = await openTransport();
    for (const text of ['a', 'b', 'c']) {
      endpoint.waiting.push(Buffer.from(text));
      transport.outputWaits();
    }
    expect(endpoint.told).toEqual([]);
    expect(String((await once(there, 'data'))[0])).toBe('abc');
  });

  it('writes what comes up while it writes', async () => {
    const { endpoint, transport, there } = await openTransport();
    endpoint.waiting.push(Buffer.from('first'));
    endpoint.onFlush = () => {
      endpoint.onFlush = () => undefined;
      endpoint.waiting.push(Buffer.from('second'));
      transport.outputWaits();
      transport.flush();
    };
    transport.flush();
    transport.end(null);
    expect(await readAll(there)).toBe('firstsecond');
  });

  it('ends with the last word behind everything else, be it told within a read, and hears nothing more', async () => {
    const { endpoint, transport, here, there } = await openTransport();
    endpoint.onReceive = () => {
      endpoint.waiting.push(Buffer.from('answer '));
      transport.end(ERROR_CODE.enhanceYourCalm);
    };
    there.write('x');
    expect(await readAll(there)).toBe('answer goaway');
    there.write('y');
    there.end();
    await once(here, 'close');
    expect(endpoint.told).toEqual(['receive x', 'wrote 7: true', 'fail 11', 'wrote 6: true', 'disconnected']);
  });

  it('ends when what is under way has been written, be it told while it is', async () => {
    const { endpoint, transport, there } = await openTransport();
    endpoint.waiting.push(Buffer.from('answer'));
    endpoint.onFlush = () => transport.end(null);
    transport.flush();
    expect(await readAll(there)).toBe('answer');
  });

  it('throws away what comes after the end', async () => {
    const { endpoint, transport, here, there } = await openTransport();
    transport.end(null);
    there.write('late');
    await readAll(there);
    there.end();
    await once(here, 'close');
    expect(endpoint.told).toEqual(['disconnected']);
  });

  it('says when the output is full, and when it takes more', async () => {
    const { endpoint, transport, there } = await openTransport();
    endpoint.waiting.push(Buffer.alloc(8 * MIB));
    transport.flush();
    endpoint.waiting.push(Buffer.alloc(1));
    transport.flush();
    expect(endpoint.told).toEqual([`wrote ${8 * MIB}: false`, 'wrote 1: false']);
    there.resume();
    await vi.waitUntil(() => endpoint.told.includes('drained'));
    endpoint.waiting.push(Buffer.alloc(1));
    transport.flush();
    expect(endpoint.told.at(-1)).toBe('wrote 1: true');
  });

  it('is told that its peer is gone, also when it has only stopped sending', async () => {
    const { endpoint, here, there } = await openTransport();
    there.end();
    await once(here, 'close');
    expect(endpoint.told).toEqual(['disconnected']);
  });

  it('writes nothing to a socket that is gone', async () => {
    const { endpoint, transport, here } = await openTransport();
    here.destroy();
    await once(here, 'close');
    endpoint.waiting.push(Buffer.from('late'));
    transport.outputWaits();
    transport.end(ERROR_CODE.noError);
    await new Promise((resolve) => setImmediate(resolve));
    expect(endpoint.told).toEqual(['disconnected']);
  });
});
