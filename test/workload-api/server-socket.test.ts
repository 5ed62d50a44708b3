// Where an agent listens, and where it refuses to.

import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { formatEndpointAddress } from '../../src/workload-api/endpoint-address.ts';
import { listenForWorkloads } from '../../src/workload-api/server-socket.ts';
import { temporaryDirectory } from './server-agent-fixture.ts';

function listen(path: string, mode = 0o600, server = newServer()): Promise<unknown> {
  return listenForWorkloads(server, { address: { kind: 'unix', path }, mode });
}

function newServer(): Server {
  const server = createServer((socket) => socket.destroy());
  onTestFinished(() => void server.close());
  return server;
}

/** What an agent leaves behind that was killed: a socket on which nobody listens. */
async function leaveSocket(path: string): Promise<void> {
  const server = newServer();
  const original = `${path}.original`;
  await new Promise<void>((resolve) => server.listen(original, resolve));
  linkSync(original, path);
  await new Promise((resolve) => server.close(resolve));
}

describe('listenForWorkloads on a Unix socket', () => {
  it.each([0o600, 0o660, 0o666, 0o777])('PF-130 gives it the mode %o, whatever the umask', async (mode) => {
    const path = join(temporaryDirectory(), 'agent.sock');
    const before = process.umask();
    await listen(path, mode);
    expect(statSync(path).mode & 0o777).toBe(mode);
    expect(process.umask()).toBe(before);
  });

  it('removes it when the server closes', async () => {
    const path = join(temporaryDirectory(), 'agent.sock');
    const server = newServer();
    await listen(path, 0o600, server);
    await new Promise((resolve) => server.close(resolve));
    expect(existsSync(path)).toBe(false);
  });

  it('takes the place of one that a killed agent left', async () => {
    const path = join(temporaryDirectory(), 'agent.sock');
    await leaveSocket(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    await listen(path);
    await new Promise<void>((resolve, reject) => {
      createConnection(path).once('connect', resolve).once('error', reject);
    });
  });

  it('does not take the place of one that answers', async () => {
    const path = join(temporaryDirectory(), 'agent.sock');
    await listen(path);
    const inode = statSync(path).ino;
    await expect(listen(path)).rejects.toMatchObject({
      code: 'socket-in-use',
      message: `an agent answers at \`${path}\` already; stop it, or choose another socket`,
    });
    expect(statSync(path).ino).toBe(inode);
  });

  it('touches neither a file, nor a directory, nor a link in its place', async () => {
    const directory = temporaryDirectory();
    const [file, folder, link, target] = ['file', 'folder', 'link', 'target'].map((name) => join(directory, name));
    if (file === undefined || folder === undefined || link === undefined || target === undefined)
      throw new Error('names');
    writeFileSync(file, 'mine');
    mkdirSync(folder);
    await leaveSocket(target);
    symlinkSync(target, link);
    for (const path of [file, folder, link]) {
      await expect(listen(path)).rejects.toMatchObject({
        code: 'not-a-socket',
        message: expect.stringContaining(path),
      });
    }
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(existsSync(target)).toBe(true);
  });

  it('says why it cannot', async () => {
    const directory = temporaryDirectory();
    await expect(listen(join(directory, 'missing', 'agent.sock'))).rejects.toMatchObject({
      code: 'cannot-listen',
      message: `cannot listen on \`unix://${directory}/missing/agent.sock\`: there is no such directory`,
    });
    await expect(listen(join(directory, 'x'.repeat(120)))).rejects.toMatchObject({ code: 'socket-path-too-long' });
    rmSync(directory, { recursive: true });
  });

  it('listens at the longest path there can be, and not beside it', async () => {
    const directory = temporaryDirectory();
    const longest = join(directory, 'x'.repeat(107 - directory.length - 1));
    if (process.platform !== 'linux') return;
    await listen(longest);
    expect(lstatSync(longest).isSocket()).toBe(true);
    await expect(listen(`${longest}x`)).rejects.toMatchObject({ code: 'socket-path-too-long' });
  });
});

describe('listenForWorkloads on a TCP port', () => {
  it.each(['127.0.0.1', '127.1.2.3', '::1'])('takes a free port of %s', async (host) => {
    const address = await listenForWorkloads(newServer(), { address: { kind: 'tcp', host, port: 0 }, mode: 0o600 });
    expect(address).toMatchObject({ kind: 'tcp', host, port: expect.any(Number) });
    expect(address.kind === 'tcp' && address.port > 0).toBe(true);
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', '128.0.0.1'])('refuses %s, which others could reach', async (host) => {
    const listening = listenForWorkloads(newServer(), { address: { kind: 'tcp', host, port: 0 }, mode: 0o600 });
    await expect(listening).rejects.toMatchObject({ code: 'not-loopback' });
  });

  it('says that a port is taken', async () => {
    const address = await listenForWorkloads(newServer(), {
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      mode: 0o600,
    });
    await expect(listenForWorkloads(newServer(), { address, mode: 0o600 })).rejects.toMatchObject({
      code: 'cannot-listen',
      message: `cannot listen on \`${formatEndpointAddress(address)}\`: something else listens there already`,
    });
  });
});
