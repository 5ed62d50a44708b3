// The revocation list in Redis as operators change it, and what it takes to reach it.

import { randomBytes } from 'node:crypto';
import { parseRedisKey, parseRedisUser } from '../app/config-names.ts';
import { parseRedisUrl } from '../app/config-urls.ts';
import { systemClock } from '../core/clock.ts';
import { isLoopbackHost } from '../core/loopback.ts';
import { quote } from '../core/quote.ts';
import { type RedisList, RevocationEditor } from '../store/revocation-editor.ts';
import { STORE_TIMING } from '../store/revocation-store.ts';
import type { CommandIo } from './command-io.ts';
import { option, readInput, type RevocationList, usage, warn } from './revoke-command.ts';

export interface RedisOptions {
  readonly redis: string;
  readonly redisUsername?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly key: string;
}

export interface OpenRedisList extends RevocationList {
  readonly editor: RevocationEditor;
}

export async function openRedisList(options: RedisOptions, io: CommandIo): Promise<OpenRedisList> {
  const list = await toRedisList(options, io);
  const editor = await RevocationEditor.open(list, {
    clock: systemClock,
    schedule: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    timing: STORE_TIMING,
    newChangeId: () => randomBytes(8).toString('hex'),
  });
  return {
    editor,
    name: `${list.key} in ${options.redis}`,
    read: async () => {
      const { entries, problems, mark } = await editor.read();
      const revocations = Array.from(entries.values(), ({ revocation }) => revocation);
      return { entries: revocations, problems, isWhole: mark !== null };
    },
    add: (entry, existing) => editor.add(entry, existing),
    remove: (key) => editor.remove(key),
    close: () => editor.close(),
  };
}

async function toRedisList(options: RedisOptions, io: CommandIo): Promise<RedisList> {
  const { passwordFile, redisUsername, ca } = options;
  const endpoint = option('--redis', options.redis, parseRedisUrl);
  const key = option('--key', options.key, parseRedisKey);
  if (ca !== undefined && !endpoint.isEncrypted) throw usage('--ca: there is no TLS with `redis://`; use `rediss://`');
  if (!endpoint.isEncrypted && !isLoopbackHost(endpoint.host)) {
    warn(io, `the connection to ${quote(endpoint.host)} is not encrypted; use \`rediss://\``);
  }
  const username = redisUsername === undefined ? null : option('--redis-username', redisUsername, parseRedisUser);
  if (username !== null && passwordFile === undefined) throw usage('--redis-username: needs --password-file');
  const credentials = passwordFile === undefined ? null : { username, password: await readPassword(passwordFile) };
  return { target: { endpoint, access: { credentials, ca: ca === undefined ? null : await readInput(ca) } }, key };
}

async function readPassword(path: string): Promise<string> {
  const password = (await readInput(path)).toString('utf8').split(/\r?\n/, 1)[0] ?? '';
  if (password === '')
    throw usage(`--password-file: the first line of ${quote(path)}, which is the password, is empty`);
  return password;
}
