import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BindAddress, formatBindAddress } from '../../src/admin/bind-address.ts';
import { listen, ListenError, OWNER_ONLY } from '../../src/admin/listen.ts';
import { connect } from './http.ts';

let directory = '';
let servers: Server[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-admin-'));
});

afterEach(async () => {
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  servers = [];
  rmSync(directory, { recursive: true });
});

function server(): Server {
  const created = createServer((socket) => socket.on('error', () => {}));
  servers.push(created);
  return created;
}

const unixAddress = (): BindAddress => ({ kind: 'unix', path: join(directory, 'admin.sock') });

it.each<readonly [text: string, address: BindAddress]>([
  ['127.0.0.1:9901', { kind: 'tcp', host: '127.0.0.1', port: 9901 }],
  ['[::1]:9901', { kind: 'tcp', host: '::1', port: 9901 }],
  ['unix:/run/sallyport.sock', { kind: 'unix', path: '/run/sallyport.sock' }],
])('writes an address as the configuration does: %s', (text, address) => {
  expect(formatBindAddress(address)).toBe(text);
});

describe('a port', () => {
  it('that is 0 becomes a free one', async () => {
    const address = await listen(server(), { kind: 'tcp', host: '127.0.0.1', port: 0 }, OWNER_ONLY);
    expect(address).toEqual({ kind: 'tcp', host: '127.0.0.1', port: expect.any(Number) });
    expect(formatBindAddress(address)).not.toBe('127.0.0.1:0');
    (await connect(address)).destroy();
  });

  it('of IPv6 is listened on', async () => {
    const address = await listen(server(), { kind: 'tcp', host: '::1', port: 0 }, OWNER_ONLY);
    expect(formatBindAddress(address)).toMatch(/^\[::1\]:\d+$/);
    (await connect(address)).destroy();
  });

  it('that is taken is an error that says which', async () => {
    const taken = await listen(server(), { kind: 'tcp', host: '127.0.0.1', port: 0 }, OWNER_ONLY);
    const error: unknown = await listen(server(), taken, OWNER_ONLY).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ code: 'cannot-listen' });
    expect(String(error)).toContain(`cannot listen on \`${formatBindAddress(taken)}\``);
    expect(String(error)).toContain('EADDRINUSE');
  });

  it('on an address of another machine is an error', async () => {
    await expect(listen(server(), { kind: 'tcp', host: '192.0.2.1', port: 0 }, OWNER_ONLY)).rejects.toThrow(
      'EADDRNOTAVAIL',
    );
  });
});

describe('a unix socket', () => {
  it('may be opened by its owner only, from its first moment', async () => {
    const previous = process.umask(0);
    const address = await listen(server(), unixAddress(), OWNER_ONLY);
    expect(process.umask(previous)).toBe(0);
    expect(statSync(join(directory, 'admin.sock')).mode & 0o777).toBe(0o600);
    (await connect(address)).destroy();
  });

  it('is gone after closing', async () => {
    const subject = server();
    await listen(subject, unixAddress(), OWNER_ONLY);
    await new Promise((resolve) => subject.close(resolve));
    expect(existsSync(join(directory, 'admin.sock'))).toBe(false);
  });

  it('a crash left behind is taken over', async () => {
    const path = join(directory, 'admin.sock');
    const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['--eval', program]);
    expect(existsSync(path)).toBe(true);
    (await connect(await listen(server(), unixAddress(), OWNER_ONLY))).destroy();
  });

  it('somebody listens on is left to them', async () => {
    const address = await listen(server(), unixAddress(), OWNER_ONLY);
    await expect(listen(server(), unixAddress(), OWNER_ONLY)).rejects.toThrow('EADDRINUSE');
    (await connect(address)).destroy();
  });

  it('does not take the place of a file', async () => {
    const path = join(directory, 'admin.sock');
    writeFileSync(path, 'precious');
    await expect(listen(server(), unixAddress(), OWNER_ONLY)).rejects.toThrow(ListenError);
    expect(statSync(path).size).toBe(8);
  });

  it('in a directory that does not exist is an error', async () => {
    await expect(
      listen(server(), { kind: 'unix', path: join(directory, 'none/admin.sock') }, OWNER_ONLY),
    ).rejects.toThrow(ListenError);
  });
});
