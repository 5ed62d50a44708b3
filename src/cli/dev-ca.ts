// `dev-ca init` and `dev-ca issue`: a certificate authority and X.509-SVIDs in files, for trying things out on one machine.

import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { quote } from '../core/quote.ts';
import { isDnsName } from '../devca/dns-name.ts';
import { KEY_TYPES, parseKeyType } from '../devca/key-type.ts';
import { parseTtl } from '../devca/ttl.ts';
import { parseSpiffeId, parseTrustDomain, pathOf } from '../spiffe/spiffe-id.ts';
import type { CommandIo } from './command-io.ts';
import { type CredentialFile, isWritableByOthers, writeCredentialFiles } from './credential-files.ts';
import { now, option, readAuthority, readInput, runCommand, usage, warn } from './dev-ca-command.ts';
import { registerServeCommand } from './dev-ca-serve.ts';
import { shellWord } from './shell-word.ts';

interface InitOptions {
  readonly trustDomain: string;
  readonly out: string;
  readonly ttl: string;
  readonly keyType: string;
  readonly intermediate: boolean;
  readonly force: boolean;
}

interface IssueOptions {
  readonly ca: string;
  readonly id: string;
  readonly ttl: string;
  readonly keyType: string;
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly out?: string;
  readonly pkcs12?: string;
  readonly passwordFile?: string;
  readonly force: boolean;
}

export function registerDevCaCommand(program: Command, io: CommandIo): void {
  const group = program.command('dev-ca').description('certificates for development; nothing here is for production');
  const keyTypeHelp = `key type: ${KEY_TYPES.join(', ')}`;
  group
    .command('init')
    .description('make a certificate authority for a trust domain: ca.pem, ca.key and the trust bundle bundle.pem')
    .requiredOption('--trust-domain <name>', 'trust domain, such as ai.example')
    .option('--out <directory>', 'where to write', 'certs-dev')
    .option('--ttl <duration>', 'lifetime: 30s, 10m, 24h, 90d', '90d')
    .option('--key-type <type>', keyTypeHelp, 'p256')
    .option('--intermediate', 'sign with a subordinate authority and forget the key of the root', false)
    .option('--force', 'replace an authority that is there', false)
    .action((options: InitOptions) => runCommand(io, () => init(options, program.name(), io)));
  group
    .command('issue')
    .description('issue an X.509-SVID: NAME.pem (leaf and intermediates) and NAME.key')
    .requiredOption('--ca <directory>', 'directory that `dev-ca init` wrote')
    .requiredOption('--id <spiffe-id>', 'SPIFFE ID, such as spiffe://ai.example/training/job-1')
    .option('--ttl <duration>', 'lifetime: 30s, 10m, 24h, 90d', '1h')
    .option('--key-type <type>', keyTypeHelp, 'p256')
    .option('--dns <name>', 'a host name peers without SPIFFE know it by; repeatable', append, [])
    .option('--ip <address>', 'an IP address, likewise; repeatable', append, [])
    .option('--out <directory/name>', 'what the file names begin with (default: the ID path, in the CA directory)')
    .option('--pkcs12 <file>', 'also write a key store for JVM peers')
    .option('--password-file <file>', 'file with the password of the key store')
    .option('--force', 'replace files that are there', false)
    .action((options: IssueOptions) => runCommand(io, () => issue(options, program.name(), io)));
  registerServeCommand(group, io);
}

async function init(options: InitOptions, programName: string, io: CommandIo): Promise<void> {
  const trustDomain = option('--trust-domain', options.trustDomain, parseTrustDomain);
  const ttlMs = option('--ttl', options.ttl, parseTtl);
  const keyType = option('--key-type', options.keyType, parseKeyType);
  const { createAuthority, toAuthorityFiles } = await import('../devca/authority.ts');
  const signWith = options.intermediate ? 'intermediate' : 'root';
  const authority = await createAuthority({ trustDomain, ttlMs, keyType, signWith }, now());
  const files = toAuthorityFiles(authority);
  const path = (name: string): string => join(options.out, name);
  const written: CredentialFile[] = [
    { path: path('ca.key'), contents: files.privateKeyPem, readers: 'owner' },
    { path: path('ca.pem'), contents: files.certificatePem, readers: 'everybody' },
    { path: path('bundle.pem'), contents: files.bundlePem, readers: 'everybody' },
  ];
  await write(written, options, io);
  io.write(`trust domain ${trustDomain}, until ${instant(authority.notAfterMs)}; for development only\n`);
  io.write(
    `next: ${programName} dev-ca issue --ca ${shellWord(options.out)} --id spiffe://${trustDomain}/training/job-1\n`,
  );
}

async function issue(options: IssueOptions, programName: string, io: CommandIo): Promise<void> {
  const id = option('--id', options.id, parseSpiffeId);
  const request = {
    id,
    ttlMs: option('--ttl', options.ttl, parseTtl),
    keyType: option('--key-type', options.keyType, parseKeyType),
    dnsNames: options.dns.map((name) => option('--dns', name, parseDnsName)),
    ipAddresses: options.ip.map((address) => option('--ip', address, parseIpAddress)),
  };
  if (options.out?.endsWith('/') === true)
    throw usage(`--out: ${quote(options.out)} ends with \`/\`; write directory/name`);
  const keyStore = await readKeyStoreOptions(options);
  const { openAuthority } = await import('../devca/authority.ts');
  const { issueSvid } = await import('../devca/svid.ts');
  const issuing = now();
  const authority = await openAuthority(await readAuthority(options.ca, io), issuing);
  const svid = await issueSvid(authority, request, issuing);
  const name = pathOf(id).slice(1).replaceAll('/', '-');
  const prefix = options.out ?? join(options.ca, name);
  const files: CredentialFile[] = [
    { path: `${prefix}.key`, contents: svid.privateKeyPem, readers: 'owner' },
    { path: `${prefix}.pem`, contents: svid.certificatePem, readers: 'everybody' },
  ];
  if (keyStore !== null) {
    const { toKeyStore } = await import('../devca/pkcs12.ts');
    const entry = { alias: name, ...svid, chainDer: [...svid.chainDer, Buffer.from(authority.root.rawData)] };
    files.push({ path: keyStore.path, contents: toKeyStore(entry, keyStore.password), readers: 'owner' });
  }
  for (const { path } of files) refuseCaFile(path, options.ca);
  await write(files, options, io);
  io.write(`X.509-SVID ${id}, until ${instant(svid.notAfterMs)}; for development only\n`);
  const bundle = `${authority.trustDomain}=${join(options.ca, 'bundle.pem')}`;
  io.write(`next: ${programName} svid verify --bundle ${shellWord(bundle)} ${shellWord(`${prefix}.pem`)}\n`);
}

async function write(
  files: readonly CredentialFile[],
  options: { readonly force: boolean },
  io: CommandIo,
): Promise<void> {
  await writeCredentialFiles(files, options.force ? 'replace' : 'refuse');
  for (const { path, readers } of files) {
    io.write(`wrote ${path}${readers === 'owner' ? ' (secret, mode 0600)' : ''}\n`);
  }
  for (const directory of new Set(files.map(({ path }) => dirname(path)))) {
    if (await isWritableByOthers(directory)) {
      warn(io, `others can write to ${quote(directory)}, which holds keys now; take that away with chmod go-w`);
    }
  }
}

// Not even with --force, and on file systems that ignore case neither: the CA would be gone.
function refuseCaFile(path: string, ca: string): void {
  const caFiles = ['ca.pem', 'ca.key', 'bundle.pem'].map((name) => resolve(ca, name).toLowerCase());
  if (caFiles.includes(resolve(path).toLowerCase())) {
    throw usage(`${quote(path)} is a file of the CA itself; choose another name with --out`);
  }
}

async function readKeyStoreOptions({
  pkcs12,
  passwordFile,
}: IssueOptions): Promise<{ path: string; password: string } | null> {
  if (pkcs12 === undefined && passwordFile === undefined) return null;
  if (pkcs12 === undefined) throw usage('--password-file: belongs to --pkcs12, which is missing');
  if (passwordFile === undefined)
    throw usage('--pkcs12: needs --password-file, a file whose first line is the password');
  const bytes = await readInput(passwordFile, 'write the password into it');
  return { path: pkcs12, password: bytes.toString('utf8').split(/\r?\n/, 1)[0] ?? '' };
}

function parseDnsName(text: string): string {
  if (!isDnsName(text)) throw usage(`${quote(text)} is not a DNS name`);
  return text;
}

function parseIpAddress(text: string): string {
  if (isIP(text) === 0 || text.includes('%')) throw usage(`${quote(text)} is not an IP address`);
  return text;
}

function append(text: string, previous: readonly string[]): readonly string[] {
  return [...previous, text];
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
