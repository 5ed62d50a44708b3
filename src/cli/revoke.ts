// `revoke add`, `list`, `remove`, `init` and `purge`: who is trusted no more, in a file or in Redis.

import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { quote } from '../core/quote.ts';
import { formatRfc3339, parseRfc3339 } from '../core/rfc3339.ts';
import { parseTtl } from '../devca/ttl.ts';
import { parseReason } from '../revocation/entry-text.ts';
import { revocationKey } from '../revocation/revocation.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { CommandIo } from './command-io.ts';
import { createPaint } from './paint.ts';
import { option, type RevocationList, RevokeCommandError, runCommand, usage, warn } from './revoke-command.ts';
import { createRevocationFile, fileList, readRevocationFile } from './revoke-file.ts';
import { type OpenRedisList, openRedisList } from './revoke-redis.ts';
import { isTargetNamed, readTarget, type TargetOptions } from './revoke-target.ts';
import { formatJson, formatList, nameOf } from './revoke-text.ts';

interface PlaceOptions {
  readonly file?: string;
  readonly redis?: string;
  readonly redisUsername?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly key?: string;
  readonly trustDomain?: string;
}

interface AddOptions extends PlaceOptions, TargetOptions {
  readonly reason: string;
  readonly expires?: string;
  readonly replace: boolean;
  readonly force: boolean;
}

interface ListOptions extends PlaceOptions {
  readonly format: string;
  readonly all: boolean;
}

interface RemoveOptions extends PlaceOptions, TargetOptions {
  readonly field?: string;
}

interface InitOptions extends PlaceOptions {
  readonly from?: string;
  readonly force: boolean;
}

const DEFAULT_KEY = 'sallyport:revocations';
/** No two clocks are further apart than this: what is gone then counts nowhere any more. */
const PURGED_AFTER_MS = 24 * 3_600_000;
const EXIT_BROKEN = 1;

export function registerRevokeCommand(program: Command, io: CommandIo): void {
  const group = program.command('revoke').description('who is trusted no more, in a revocation file or in Redis');
  addTargetOptions(place(group.command('add').description('revoke an ID, a certificate, a key or a token')))
    .requiredOption('--reason <text>', 'why, in a few words')
    .option('--expires <when>', 'RFC 3339 instant, or from now: 30m, 24h, 90d (default: it counts for ever)')
    .option('--replace', 'put this in the place of what is listed for the same thing', false)
    .option('--force', 'also when that revokes everybody of a trust domain, or a CA', false)
    .action((options: AddOptions) => runCommand(io, () => add(options, io)));
  place(
    group
      .command('list')
      .description('show what is revoked; exit 1 when something in the list is broken, or it is not declared'),
  )
    .option('--format <format>', 'table or json', 'table')
    .option('--all', 'also what has expired', false)
    .action((options: ListOptions) => runCommand(io, () => list(options, io)));
  addTargetOptions(place(group.command('remove').description('take a revocation back')))
    .option('--field <name>', 'a broken entry in Redis, by the name that `list` shows')
    .action((options: RemoveOptions) => runCommand(io, () => remove(options, io)));
  place(group.command('init').description('make an empty file; or declare that what is in Redis is the whole list'))
    .option('--from <file>', 'with --redis: first add what this revocation file lists')
    .option('--force', 'with --redis: declare it again, so that sidecars let go of what they remember', false)
    .action((options: InitOptions) => runCommand(io, () => init(options, io)));
  place(group.command('purge').description('remove from Redis what expired more than a day ago')).action(
    (options: PlaceOptions) => runCommand(io, () => purge(options, io)),
  );
}

function place(command: Command): Command {
  return command
    .option('--file <file>', 'revocation file (YAML)')
    .option('--redis <url>', 'redis://host:port/database or rediss://…')
    .option('--redis-username <name>', 'user of Redis (default: the default user)')
    .option('--password-file <file>', 'file whose first line is the password of Redis')
    .option('--ca <file>', 'PEM file of the CA of Redis (default: those of the system)')
    .option('--key <key>', `key of the list in Redis (default: "${DEFAULT_KEY}")`)
    .option('--trust-domain <name>', 'of IDs that begin with `/`');
}

function addTargetOptions(command: Command): Command {
  return command
    .option('--id <id>', 'SPIFFE ID or pattern, such as spiffe://ai.example/training/*')
    .option('--serial <hex>', 'serial number of a certificate, with --issuer or --issuer-certificate')
    .option('--issuer <hex>', 'SHA-256 of the public key (SPKI) of the CA that signed it')
    .option('--issuer-certificate <file>', 'or its certificate')
    .option('--spki <hex>', 'SHA-256 of a public key (SPKI): every certificate with it')
    .option('--jti <id>', 'a JWT-SVID by its `jti`')
    .option('--certificate <file>', 'the first certificate of a file, by serial number and issuer')
    .option('--by-key', 'with --certificate: its key instead', false);
}

async function add(options: AddOptions, io: CommandIo): Promise<void> {
  const own = trustDomainOf(options);
  const atMs = Math.floor(systemClock.wallMs() / 1000) * 1000;
  const reason = option('--reason', options.reason, parseReason);
  const expiresMs = options.expires === undefined ? null : option('--expires', options.expires, parseExpiry(atMs));
  const { target, danger } = await readTarget(options, own);
  if (danger !== null && !options.force) throw usage(`${danger}; add --force if that is meant`);
  await withList(options, io, async (revocations) => {
    const entry = { target, reason, atMs, expiresMs };
    const { outcome, isWhole } = await revocations.add(entry, options.replace ? 'replace' : 'refuse');
    if (outcome === 'exists') {
      const remedy = '--replace puts this entry in its place';
      throw new RevokeCommandError('nothing-to-do', `${revocations.name} revokes ${nameOf(target)} already; ${remedy}`);
    }
    const until = expiresMs === null ? '' : ` until ${formatRfc3339(expiresMs)}`;
    io.write(`revoked ${nameOf(target)}${until}\n`);
    if (!isWhole) warnNotWhole(revocations, io);
  });
}

async function list(options: ListOptions, io: CommandIo): Promise<void> {
  const { format, all } = options;
  if (format !== 'table' && format !== 'json') throw usage(`--format: ${quote(format)} is neither table nor json`);
  await withList(options, io, async (revocations) => {
    const listing = await revocations.read();
    const view = { nowMs: systemClock.wallMs(), shows: all ? 'all' : 'unexpired' } as const;
    io.write(format === 'json' ? formatJson(listing, view) : formatList(listing, view, createPaint(io.colour)));
    for (const { field, message } of listing.problems) {
      io.writeError(`sallyport: the field ${quote(field)} is broken: ${message}\n`);
    }
    if (!listing.isWhole) warnNotWhole(revocations, io);
    if (!listing.isWhole || listing.problems.length > 0) io.setExitCode(EXIT_BROKEN);
  });
}

async function remove(options: RemoveOptions, io: CommandIo): Promise<void> {
  const { field, redis } = options;
  if (field !== undefined && redis === undefined) throw usage('--field: belongs to --redis');
  const { key, name } =
    field === undefined ? await readKey(options) : { key: field, name: `the field ${quote(field)}` };
  if (field !== undefined && isTargetNamed(options))
    throw usage('--field names an entry by itself; leave the others out');
  await withList(options, io, async (revocations) => {
    const { outcome, isWhole } = await revocations.remove(key);
    if (outcome === 'absent') {
      throw new RevokeCommandError('nothing-to-do', `${revocations.name} does not list ${name}`);
    }
    io.write(`removed ${name}\n`);
    if (!isWhole) warnNotWhole(revocations, io);
  });
}

async function readKey(options: RemoveOptions): Promise<{ readonly key: string; readonly name: string }> {
  const { target } = await readTarget(options, trustDomainOf(options));
  return { key: revocationKey(target), name: nameOf(target) };
}

async function init(options: InitOptions, io: CommandIo): Promise<void> {
  const { file, from, force } = options;
  if (file !== undefined && options.redis === undefined) {
    if (from !== undefined || force) throw usage(`${force ? '--force' : '--from'}: belongs to --redis`);
    refuseRedisOptions(options);
    await createRevocationFile(file);
    return io.write(`wrote ${file}\n`);
  }
  const missing = from === undefined ? [] : await readRevocationFile(from, trustDomainOf(options));
  await withRedis(options, io, async (revocations) => {
    const { name } = revocations;
    if ((await revocations.editor.declare(missing, force ? 'replace' : 'refuse')) === 'exists') {
      const remedy = '--force declares it again, so that sidecars let go of what they remember';
      throw new RevokeCommandError('nothing-to-do', `${name} is declared already; ${remedy}`);
    }
    const { entries } = await revocations.read();
    io.write(`${name} is the whole list now: ${entries.length} ${entries.length === 1 ? 'entry' : 'entries'}\n`);
  });
}

async function purge(options: PlaceOptions, io: CommandIo): Promise<void> {
  await withRedis(options, io, async ({ editor }) => {
    const { outcome } = await editor.purge(systemClock.wallMs() - PURGED_AFTER_MS);
    io.write(`removed ${outcome} ${outcome === 1 ? 'entry' : 'entries'} that expired more than a day ago\n`);
  });
}

async function withList(
  options: PlaceOptions,
  io: CommandIo,
  run: (revocations: RevocationList) => Promise<void>,
): Promise<void> {
  const { file, redis } = options;
  if (file === undefined) return withRedis(options, io, run);
  if (redis !== undefined) throw usage('--file and --redis are two lists; name one');
  refuseRedisOptions(options);
  await run(fileList(file, trustDomainOf(options)));
}

async function withRedis(
  options: PlaceOptions,
  io: CommandIo,
  run: (revocations: OpenRedisList) => Promise<void>,
): Promise<void> {
  const { file, redis, key = DEFAULT_KEY } = options;
  if (redis === undefined) throw usage('name the list: --redis <url>, or for all but purge --file <file>');
  if (file !== undefined) throw usage('--file and --redis are two lists; name one');
  const revocations = await openRedisList({ ...options, redis, key }, io);
  try {
    await run(revocations);
  } finally {
    revocations.close();
  }
}

/** Where nothing reads them they were meant for something else. */
function refuseRedisOptions({ redisUsername, passwordFile, ca, key }: PlaceOptions): void {
  const given = Object.entries({
    '--redis-username': redisUsername,
    '--password-file': passwordFile,
    '--ca': ca,
    '--key': key,
  });
  const stray = given.find(([, value]) => value !== undefined);
  if (stray !== undefined) throw usage(`${stray[0]}: belongs to --redis`);
}

function trustDomainOf({ trustDomain }: PlaceOptions): TrustDomain | null {
  return trustDomain === undefined ? null : option('--trust-domain', trustDomain, parseTrustDomain);
}

function parseExpiry(nowMs: number): (text: string) => number {
  return (text) => {
    const expiresMs = /^\d+[a-z]+$/i.test(text) ? nowMs + parseTtl(text) : parseRfc3339(text);
    if (expiresMs <= nowMs) throw usage(`${quote(text)} is over; an entry that has expired revokes nothing`);
    return expiresMs;
  };
}

function warnNotWhole({ name }: RevocationList, io: CommandIo): void {
  const consequence = 'sidecars apply its entries, but one that starts does not become ready with it';
  warn(
    io,
    `${name} was never declared to be the whole list, or was lost: ${consequence}; see \`sallyport revoke init\``,
  );
}
