// Changes to the list in Redis: each whole, each told, and none lost to another made at the same time.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatStoredRevocation } from '../../src/revocation/stored-revocation.ts';
import { RevocationEditor } from '../../src/store/revocation-editor.ts';
import { hasRedis, RedisServer } from './redis-server.ts';
import { idRevocation } from './revocation-entries.ts';
import { systemEditorPort } from './system-editor-port.ts';

const KEY = 'sallyport:revocations';
const A = 'id:spiffe://ai.example/a';

let redis: RedisServer;
let editor: RevocationEditor;

describe.skipIf(!hasRedis)('an editor of the list in Redis (needs redis-server)', () => {
  beforeEach(async () => {
    redis = await RedisServer.start();
    editor = await open();
  });

  afterEach(async () => {
    editor.close();
    await redis.remove();
  });

  function open(): Promise<RevocationEditor> {
    const endpoint = { host: '127.0.0.1', port: redis.port, database: 0, isEncrypted: false };
    return RevocationEditor.open(
      { target: { endpoint, access: { credentials: null, ca: null } }, key: KEY },
      systemEditorPort,
    );
  }

  const revision = async (): Promise<number | null> => (await editor.read()).mark?.revision ?? null;

  it('declares an empty list once', async () => {
    expect(await editor.declare([], 'refuse')).toBe('declared');
    expect(await editor.read()).toMatchObject({ mark: { revision: 0 }, problems: [] });
    const { mark } = await editor.read();
    expect(await editor.declare([idRevocation('/a')], 'refuse')).toBe('exists');
    expect(await editor.read()).toEqual({ mark, entries: new Map(), problems: [] });
  });

  it('declares it again when told to, as a later list with all that is there', async () => {
    await editor.declare([], 'refuse');
    await editor.add(idRevocation('/a'), 'refuse');
    const before = await editor.read();
    expect(await editor.declare([idRevocation('/b')], 'replace')).toBe('declared');
    const { mark, entries } = await editor.read();
    expect(mark?.madeMs).toBeGreaterThan(before.mark?.madeMs ?? Number.NaN);
    expect([...entries.keys()].sort()).toEqual([A, 'id:spiffe://ai.example/b']);
  });

  it('does not weaken an entry that is there when it declares another text of it', async () => {
    await editor.add(idRevocation('/a'), 'refuse');
    await editor.declare([idRevocation('/a', '2027-01-01T00:00:00Z')], 'refuse');
    expect((await editor.read()).entries.get(A)?.revocation.expiresMs).toBeNull();
  });

  it('adds, says that there is one already, and replaces that only when told to', async () => {
    await editor.declare([], 'refuse');
    expect(await editor.add(idRevocation('/a'), 'refuse')).toEqual({ outcome: 'added', isWhole: true });
    const other = idRevocation('/a', '2027-01-01T00:00:00Z');
    expect(await editor.add(other, 'refuse')).toEqual({ outcome: 'exists', isWhole: true });
    expect(redis.cli('HGET', KEY, A)).toBe(formatStoredRevocation(idRevocation('/a')));
    expect(await revision()).toBe(1);
    expect(await editor.add(other, 'replace')).toEqual({ outcome: 'replaced', isWhole: true });
    expect(redis.cli('HGET', KEY, A)).toBe(formatStoredRevocation(other));
    expect(await revision()).toBe(2);
  });

  it('adds where no list is declared, and says so', async () => {
    expect(await editor.add(idRevocation('/a'), 'refuse')).toEqual({ outcome: 'added', isWhole: false });
    expect(await editor.read()).toMatchObject({ mark: null });
    expect((await editor.read()).entries.size).toBe(1);
  });

  it('removes, says that there is none, and removes what is broken', async () => {
    await editor.declare([idRevocation('/a')], 'refuse');
    redis.cli('HSET', KEY, 'broken', '{');
    expect(await editor.remove(A)).toEqual({ outcome: 'removed', isWhole: true });
    expect(await editor.remove(A)).toEqual({ outcome: 'absent', isWhole: true });
    expect(await editor.remove('broken')).toEqual({ outcome: 'removed', isWhole: true });
    expect(await editor.read()).toMatchObject({ entries: new Map(), problems: [], mark: { revision: 2 } });
  });

  it('never removes the mark', async () => {
    await editor.declare([], 'refuse');
    expect(await editor.remove('.list')).toMatchObject({ outcome: 'absent' });
    expect(await revision()).toBe(0);
  });

  it('purges what expired before, and nothing else', async () => {
    const entries = [
      idRevocation('/a'),
      idRevocation('/b', '2026-03-01T00:00:00Z'),
      idRevocation('/c', '2026-03-02T00:00:00Z'),
    ];
    await editor.declare(entries, 'refuse');
    expect(await editor.purge(Date.UTC(2026, 2, 1, 12))).toEqual({ outcome: 1, isWhole: true });
    expect([...(await editor.read()).entries.keys()].sort()).toEqual([A, 'id:spiffe://ai.example/c']);
    expect(await editor.purge(Date.UTC(2026, 2, 1, 12))).toEqual({ outcome: 0, isWhole: true });
    expect(await revision()).toBe(1);
  });

  it('tells of each change, once, and of none that was not made', async () => {
    const listener = spawn('redis-cli', ['-p', String(redis.port), 'SUBSCRIBE', KEY], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let heard = '';
    const subscribed = once(listener.stdout, 'data');
    listener.stdout.on('data', (chunk) => {
      heard += String(chunk);
    });
    await subscribed;
    await editor.declare([], 'refuse');
    await editor.declare([], 'refuse');
    await editor.add(idRevocation('/a'), 'refuse');
    await editor.add(idRevocation('/a'), 'refuse');
    await editor.remove(A);
    await editor.remove(A);
    redis.cli('PUBLISH', KEY, 'last');
    while (!heard.includes('last')) await once(listener.stdout, 'data');
    listener.kill();
    expect(heard.match(/changed/g)).toHaveLength(3);
  });

  it('refuses the entry with which the list would not be read any more', async () => {
    await editor.declare([idRevocation('/a')], 'refuse');
    redis.cli('EVAL', 'for i = 2, 100000 do redis.call("HSET", KEYS[1], "x" .. i, "{}") end', '1', KEY);
    await expect(editor.add(idRevocation('/b'), 'refuse')).rejects.toMatchObject({ code: 'list-too-large' });
    await expect(editor.add(idRevocation('/a'), 'replace')).resolves.toMatchObject({ outcome: 'replaced' });
    await expect(editor.declare([idRevocation('/b')], 'replace')).rejects.toMatchObject({ code: 'list-too-large' });
  });

  it('leaves everything as it is when one part of the change is refused', async () => {
    await editor.declare([], 'refuse');
    redis.cli('ACL', 'SETUSER', 'default', 'resetchannels');
    await expect(editor.add(idRevocation('/a'), 'refuse')).rejects.toMatchObject({ code: 'command-refused' });
    redis.cli('ACL', 'SETUSER', 'default', 'allchannels');
    expect((await editor.read().catch(() => null))?.entries.size ?? 0).toBe(0);
    expect(redis.cli('HLEN', KEY)).toBe('1');
  });

  it('says so when the key holds something else', async () => {
    redis.cli('SET', KEY, 'text');
    await expect(editor.add(idRevocation('/a'), 'refuse')).rejects.toMatchObject({ code: 'command-refused' });
    await expect(editor.declare([], 'refuse')).rejects.toMatchObject({ code: 'command-refused' });
  });

  it('loses no entry of editors that add at the same time', async () => {
    await editor.declare([], 'refuse');
    const editors = await Promise.all(Array.from({ length: 4 }, open));
    const adding = editors.map(async (each, at) => {
      for (let added = 0; added < 10; added += 1) await each.add(idRevocation(`/writer-${at}/${added}`), 'refuse');
    });
    await Promise.all(adding);
    for (const each of editors) each.close();
    const { entries, mark, problems } = await editor.read();
    expect(entries.size).toBe(40);
    expect(problems).toEqual([]);
    // Every change is in the mark, so none was made to a list that another had changed.
    expect(mark).toMatchObject({ revision: 40 });
    expect(new Set(mark?.changes).size).toBe(32);
  });

  it('adds for one of two that add the same thing at the same time, and tells the other', async () => {
    await editor.declare([], 'refuse');
    const other = await open();
    const outcomes = await Promise.all([editor, other].map((each) => each.add(idRevocation('/a'), 'refuse')));
    other.close();
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['added', 'exists']);
  });
});
