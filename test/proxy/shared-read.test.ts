import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { SharedRead } from '../../src/proxy/shared-read.ts';
import { OK } from '../support/proxy-fixture.ts';
import { connectTraining, openSetting } from '../support/proxy-setting.ts';

const open: Socket[] = [];

afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

async function openPair(): Promise<{ readonly here: Socket; readonly there: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const { port } = server.address() as AddressInfo;
  const there = connect({ port, host: '127.0.0.1', noDelay: true });
  const connected = once(there, 'connect');
  const here = await accepted;
  await connected;
  server.close();
  open.push(here, there);
  return { here, there };
}

/** What has been read of a socket, to be waited for. */
class Reader {
  readonly views: Buffer[] = [];
  readonly read: SharedRead;
  text = '';
  #wake: () => void = () => undefined;

  constructor(socket: Socket, onRead: (bytes: Buffer) => void = () => undefined) {
    this.read = new SharedRead(socket, (bytes) => {
      this.views.push(bytes);
      this.text += bytes.toString('latin1');
      onRead(bytes);
      this.#wake();
    });
  }

  async until(text: string): Promise<void> {
    while (this.text !== text) {
      if (this.text.length >= text.length) throw new Error(`read \`${this.text}\``);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Gives a socket the look of one whose slots for reading are not where we know them. */
function hideSlots(socket: Socket): void {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    if (symbol.description === 'kBufferCb') Reflect.deleteProperty(socket, symbol);
  }
}

describe('reading into shared memory', () => {
  it('is what this Node does: two sockets bring their bytes to the same place', async () => {
    const [one, other] = [await openPair(), await openPair()];
    const [first, second] = [new Reader(one.here), new Reader(other.here)];
    one.there.write('abc');
    await first.until('abc');
    other.there.write('xyz');
    await second.until('xyz');
    expect(first.views[0]?.toString('latin1')).toBe('xyz');
    one.there.write('de');
    await first.until('abcde');
    expect(second.views[0]?.toString('latin1')).toBe('dez');
  });

  it('copies what is to last', async () => {
    const { here, there } = await openPair();
    const kept: Buffer[] = [];
    const reader = new Reader(here, (bytes) => kept.push(reader.read.lasting(bytes)));
    const large = 'large'.repeat(200);
    there.write('first');
    await reader.until('first');
    there.write(large);
    await reader.until(`first${large}`);
    there.write('other');
    await reader.until(`first${large}other`);
    expect(kept.map(String)).toEqual(['first', large, 'other']);
    // It can be freed when it has been sent, which memory that others have a part in cannot.
    expect(kept[1]?.buffer.byteLength).toBe(large.length);
    const own = Buffer.from('own');
    expect(reader.read.lasting(own)).toBe(own);
  });

  it('gives memory that came full away, and reads on elsewhere', async () => {
    const { here, there } = await openPair();
    const kept: Buffer[] = [];
    const given: boolean[] = [];
    const reader = new Reader(here, (bytes) => {
      if (given.includes(true)) return;
      const lasting = reader.read.lasting(bytes);
      kept.push(lasting);
      given.push(lasting === bytes);
    });
    const records = Array.from({ length: 40 }, (_, index) => String.fromCharCode(0x41 + index).repeat(16 * 1024));
    // At once, so that reads come full.
    there.write(records.join(''));
    await reader.until(records.join(''));
    expect(given[0]).toBe(false);
    expect(given.at(-1)).toBe(true);
    expect(records.join('').startsWith(kept.join(''))).toBe(true);
    // As whoever has sent them does.
    for (const bytes of kept) if (bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0);
    there.write('small');
    await reader.until(`${records.join('')}small`);
    there.write('again');
    await reader.until(`${records.join('')}smallagain`);
    expect(reader.views.at(-1)?.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('stops while the socket is paused, and goes on after it', async () => {
    const { here, there } = await openPair();
    const reader = new Reader(here, () => here.pause());
    there.write('a');
    await reader.until('a');
    there.write('b');
    // The kernel has it, and the loop has been round: nobody was told.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(reader.text).toBe('a');
    here.resume();
    await reader.until('ab');
  });

  it('tells the end as ever', async () => {
    const { here, there } = await openPair();
    const reader = new Reader(here);
    const ended = once(here, 'end');
    there.end('last');
    await ended;
    expect(reader.text).toBe('last');
  });

  it('ends a socket that is read while another is', async () => {
    const { here, there } = await openPair();
    const failed = once(here, 'error');
    let depth = 0;
    const reader = new Reader(here, () => {
      depth += 1;
      // As Node calls it.
      const slot = Object.getOwnPropertySymbols(here).find(({ description }) => description === 'kBufferCb');
      const callback: unknown = slot === undefined ? null : Reflect.get(here, slot);
      if (depth === 1 && typeof callback === 'function') Reflect.apply(callback, here, [1]);
    });
    there.write('a');
    await reader.until('a');
    expect(String((await failed)[0])).toContain('read within a read');
    expect(depth).toBe(1);
  });

  it.each([
    ['keeps its slots elsewhere', (socket: Socket) => hideSlots(socket)],
    ['is read so already', (socket: Socket) => void new Reader(socket)],
  ])('falls back to the stream where a socket %s', async (_, spoil) => {
    const { here, there } = await openPair();
    hideSlots(here);
    spoil(here);
    const reader = new Reader(here);
    there.write('abc');
    await reader.until('abc');
    there.write('xyz');
    await reader.until('abcxyz');
    expect(reader.views.map(String).join('')).toBe('abcxyz');
  });

  it('falls back to the stream where there is nothing to read from yet', () => {
    const socket = new Socket();
    expect(new Reader(socket).text).toBe('');
    expect(socket.listenerCount('data')).toBe(1);
  });
});

describe('connections whose reads take turns', () => {
  it('H1-77 keeps what was left over of a read while the reads of others go over it', async () => {
    const held: (() => void)[] = [];
    const { upstream, proxy, peer } = await openSetting((head, socket) => {
      if (head.includes('/held')) held.push(() => socket.write(OK));
      else socket.write(OK);
    });
    const others = await Promise.all(Array.from({ length: 3 }, async () => connectTraining(proxy)));
    const request = (target: string): string => `GET ${target} HTTP/1.1\r\nhost: registry\r\n\r\n`;
    // One whole request and a half wait behind the one that is held.
    const half = request('/second-half').slice(0, 20);
    peer.send(request('/held') + request('/second') + half);
    await upstream.until(({ received }) => received.includes('/held'));
    for (let round = 0; round < 3; round += 1) {
      for (const other of others) other.send(request(`/${'x'.repeat(400)}`));
      for (const other of others) expect((await other.response()).status).toBe(200);
    }
    for (const answer of held) answer();
    for (let answers = 0; answers < 2; answers += 1) expect((await peer.response()).status).toBe(200);
    for (const other of others) other.send(request(`/${'y'.repeat(400)}`));
    for (const other of others) expect((await other.response()).status).toBe(200);
    peer.send(request('/second-half').slice(20));
    expect((await peer.response()).status).toBe(200);
    const own = proxy.recorder.requests.map(({ path }) => path).filter((path) => !/^\/[xy]+$/.test(path));
    expect(own).toEqual(['/held', '/second', '/second-half']);
    expect(proxy.recorder.requests.every(({ status }) => status === 200)).toBe(true);
  });
});
