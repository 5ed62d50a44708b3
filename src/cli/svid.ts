// `svid verify` and `svid inspect`: the identity engine on files, for whoever has to find out why a peer is refused.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { formatName } from '../pki/distinguished-name.ts';
import { parsePem } from '../pki/pem.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import { parseTrustBundleFile } from '../spiffe/trust-bundle-file.ts';
import { verifyX509Svid, type X509Svid } from '../spiffe/x509-svid.ts';
import { escapeJson } from '../core/ascii-json.ts';
import type { CommandIo } from './command-io.ts';
import { parseRfc3339 } from '../core/rfc3339.ts';
import { formatReport } from './svid-report-text.ts';
import { inspectChain } from './svid-report.ts';

const EXIT_REFUSED = 1;
const EXIT_USAGE = 2;

class SvidCommandError extends SallyportError<'usage' | 'unreadable-file'> {}

interface VerifyOptions {
  readonly bundle: readonly string[];
  readonly at?: string;
}

interface InspectOptions {
  readonly json: boolean;
  readonly at?: string;
}

export function registerSvidCommand(program: Command, io: CommandIo): void {
  const svid = program.command('svid').description('X.509-SVIDs');
  svid
    .command('verify')
    .description('verify a certificate chain as a peer would present it; JSON; exit 0 trusted, 1 refused, 2 wrong call')
    .argument('<chain>', 'PEM file, leaf first')
    .requiredOption('--bundle <trust-domain=file>', 'PEM trust bundle of a trust domain; repeatable', append)
    .option('--at <instant>', 'verify as of this RFC 3339 instant (default: now)')
    .action((chain: string, options: VerifyOptions) => run(io, () => verify(chain, options, io)));
  svid
    .command('inspect')
    .description('show what stands in certificates and which rule would refuse them; exit 1 when one cannot be read')
    .argument('<file>', 'PEM file, leaf first, or one certificate as DER')
    .option('--json', 'JSON instead of text', false)
    .option('--at <instant>', 'judge validity as of this RFC 3339 instant (default: now)')
    .action((file: string, options: InspectOptions) => run(io, () => inspect(file, options, io)));
}

async function verify(chainFile: string, options: VerifyOptions, io: CommandIo): Promise<void> {
  const nowMs = instantOf(options.at);
  const bundleFiles = parseBundleOptions(options.bundle);
  try {
    const chainSource = await read(chainFile);
    const bundles = new Map<TrustDomain, TrustBundle>();
    for (const [trustDomain, file] of bundleFiles) {
      bundles.set(trustDomain, parseTrustBundleFile(trustDomain, await read(file), file));
    }
    const verified = accepted(verifyChain(chainSource, chainFile, { bundles, nowMs }));
    io.write(`${escapeJson(JSON.stringify(verified))}\n`);
    io.setExitCode(0);
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    io.write(`${escapeJson(JSON.stringify({ ok: false, code: error.code, message: error.message }))}\n`);
    io.setExitCode(EXIT_REFUSED);
  }
}

function verifyChain(source: Buffer, file: string, trust: { bundles: TrustBundles; nowMs: number }): X509Svid {
  // A peer presents certificates only; a private key kept in the same file is none of its chain.
  const certificates = parsePem(source, file).filter(({ label }) => label === 'CERTIFICATE');
  const chain = certificates.map(({ der }) => der);
  return verifyX509Svid(chain, trust.bundles, trust.nowMs);
}

function accepted(svid: X509Svid): object {
  return {
    ok: true,
    spiffeId: svid.id,
    trustDomain: svid.trustDomain,
    notBefore: toInstant(svid.notBeforeMs),
    notAfter: toInstant(svid.notAfterMs),
    serialNumber: svid.serialNumber,
    leafSha256: svid.leafSha256,
    chain: svid.chain.map((certificate) => ({
      subject: formatName(certificate.subject),
      sha256: certificate.sha256,
      notAfter: toInstant(certificate.notAfterMs),
    })),
  };
}

async function inspect(file: string, options: InspectOptions, io: CommandIo): Promise<void> {
  const nowMs = instantOf(options.at);
  const source = await read(file);
  const report = inspectChain(source, file, nowMs);
  io.write(options.json ? `${escapeJson(JSON.stringify(report))}\n` : formatReport(report));
  io.setExitCode(report.certificates.every(({ kind }) => kind === 'certificate') ? 0 : EXIT_REFUSED);
}

function parseBundleOptions(options: readonly string[]): ReadonlyMap<TrustDomain, string> {
  const files = new Map<TrustDomain, string>();
  for (const option of options) {
    const equals = option.indexOf('=');
    if (equals < 0 || equals === option.length - 1) {
      throw new SvidCommandError('usage', `--bundle: ${quote(option)} is not \`TRUSTDOMAIN=FILE\``);
    }
    const trustDomain = usage('--bundle', () => parseTrustDomain(option.slice(0, equals)));
    if (files.has(trustDomain)) {
      // Federation §4.2: bundles are never merged, so two files for one trust domain could only mean a mistake.
      throw new SvidCommandError('usage', `--bundle: trust domain ${quote(trustDomain)} is given twice`);
    }
    files.set(trustDomain, option.slice(equals + 1));
  }
  return files;
}

function instantOf(at: string | undefined): number {
  return at === undefined ? systemClock.wallMs() : usage('--at', () => parseRfc3339(at));
}

function usage<T>(option: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    throw new SvidCommandError('usage', `${option}: ${error.message}`, { cause: error });
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
    throw new SvidCommandError('unreadable-file', `cannot read ${quote(path)}: ${code}`, { cause: error });
  }
}

async function run(io: CommandIo, command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    io.writeError(`sallyport: ${error.message}\n`);
    io.setExitCode(error instanceof SvidCommandError ? EXIT_USAGE : EXIT_REFUSED);
  }
}

function toInstant(ms: number): string {
  return new Date(ms).toISOString();
}

function append(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}
