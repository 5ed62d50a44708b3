// `dev-ca serve`: a Workload API for one developer's machine, until it is told to end.

import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import type { DevelopmentAuthority } from '../devca/authority.ts';
import { parseTtl } from '../devca/ttl.ts';
import type { WatchPort } from '../files/watch-file-group.ts';
import { formatBundleDocument } from '../spiffe/bundle-document.ts';
import { parseSpiffeId, parseTrustDomain, pathOf, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { EndpointAddress } from '../workload-api/endpoint-address.ts';
import type { AgentEvent, AgentPort, DevelopmentAgent } from '../workload-api/server-agent.ts';
import type { CommandIo } from './command-io.ts';
import { writeCredentialFiles } from './credential-files.ts';
import { option, readAuthority, runCommand, usage, warn } from './dev-ca-command.ts';
import { type EntriesDocument, MIN_TTL_MS } from './dev-ca-serve-entries.ts';
import { type AgentFiles, type AgentFilesEvent, openAgentFiles } from './dev-ca-serve-files.ts';
import { formatAgentEvent, formatBanner, formatFederated, formatProblem } from './dev-ca-serve-text.ts';
import { createPaint } from './paint.ts';
import { parseSocketOption } from './socket-option.ts';
import { stopOnSignal } from './stop-signal.ts';

export interface ServeOptions {
  readonly socket: string;
  readonly socketMode: string;
  readonly trustDomain?: string;
  readonly id: readonly string[];
  readonly entries?: string;
  readonly ttl: string;
  readonly ca?: string;
  readonly federate: readonly string[];
  readonly bundleOut?: string;
  readonly quiet: boolean;
}

/** What serving takes of the world. */
export interface ServePorts {
  readonly agent: AgentPort;
  readonly watch: WatchPort;
  /** Ends it. */
  readonly stop: AbortSignal;
}

const CA_TTL_MS = 90 * 86_400_000;
const SOCKET_MODE = /^0?[0-7]{3}$/;
/** Of a socket, writing is connecting. */
const OTHERS_MAY_CONNECT = 0o022;

export function registerServeCommand(group: Command, io: CommandIo): void {
  group
    .command('serve')
    .description(
      'serve SVIDs and bundles with the SPIFFE Workload API, to whoever can open the socket; for development only',
    )
    .requiredOption('--socket <path>', 'Unix socket, or tcp://127.0.0.1:PORT')
    .option('--trust-domain <name>', 'trust domain, such as ai.example (default: that of --ca)')
    .option('--id <spiffe-id>', 'an identity to hand out; repeatable, the first is the default', append, [])
    .option('--entries <file>', 'identities and bundles of other trust domains (YAML), read again when it changes')
    .option('--ttl <duration>', 'lifetime of SVIDs, renewed at half of it: 2s, 10m, 1h', '30s')
    .option('--ca <directory>', 'directory that `dev-ca init` wrote (default: a new CA, in memory)')
    .option(
      '--federate <trust-domain=file>',
      'bundle of another trust domain (PEM or JSON), followed; repeatable',
      append,
      [],
    )
    .option('--bundle-out <file>', 'write the trust bundle: PEM, or a SPIFFE bundle document if it ends with .json')
    .option('--socket-mode <mode>', 'permissions of the Unix socket, in octal', '0600')
    .option('--quiet', 'no line for each rotation and token', false)
    .addHelpText('after', ENTRIES_HELP)
    .action((options: ServeOptions) => runCommand(io, () => serveUntilSignalled(options, io)));
}

const ENTRIES_HELP = `
Entries file:
  version: 1
  entries:
    - id: spiffe://ai.example/training/job-1
    - id: spiffe://ai.example/registry/main
      hint: internal          # optional
      ttl: 10s                # optional, instead of --ttl
      dnsNames: [localhost]   # optional
  federation:                 # optional; files are relative to this one
    partner.example: partner.json`;

async function serveUntilSignalled(options: ServeOptions, io: CommandIo): Promise<void> {
  const { signal, release } = stopOnSignal();
  try {
    const { systemAgentPort } = await import('../workload-api/server-agent.ts');
    const { systemWatchPort } = await import('../files/watch-file-group.ts');
    await serve(options, io, { agent: systemAgentPort, watch: systemWatchPort, stop: signal });
  } finally {
    release();
  }
}

/** @throws {SallyportError} what keeps it from starting; nothing is left running then. */
export async function serve(options: ServeOptions, io: CommandIo, ports: ServePorts): Promise<void> {
  const plan = parsePlan(options);
  const authority = await openOrCreateAuthority(plan, io, ports.agent);
  const { trustDomain } = authority;
  const fixed = parseFixed(options, trustDomain, plan.ttlMs);
  const { entries: entriesFile = null } = options;
  const files = await openAgentFiles({
    fixed,
    entriesFile: entriesFile === null ? null : { path: resolve(entriesFile), name: entriesFile },
    context: { own: trustDomain, ttlMs: plan.ttlMs },
    port: ports.watch,
  });
  try {
    await serveFiles(files, { options, plan, authority, io, ports });
  } finally {
    files.close();
  }
}

interface Plan {
  readonly address: EndpointAddress;
  readonly socketMode: number;
  readonly ttlMs: number;
  readonly trustDomain: TrustDomain | null;
  readonly caDirectory: string | null;
}

interface Service {
  readonly options: ServeOptions;
  readonly plan: Plan;
  readonly authority: DevelopmentAuthority;
  readonly io: CommandIo;
  readonly ports: ServePorts;
}

async function serveFiles(files: AgentFiles, service: Service): Promise<void> {
  const { options, plan, authority, io, ports } = service;
  const { createDevelopmentAgent } = await import('../workload-api/server-agent.ts');
  const paint = createPaint(io.colour);
  const say = (text: string): void => {
    if (!options.quiet) io.tell(text);
  };
  const nowMs = (): number => ports.agent.clock.wallMs();
  const report = (event: AgentEvent): void => {
    // The banner says what there was to begin with.
    if (event.kind !== 'issued' || event.cause !== 'start') say(formatAgentEvent(event, nowMs(), paint));
  };
  const agent = await createDevelopmentAgent({
    authority,
    socket: { address: plan.address, mode: plan.socketMode },
    entries: files.initialEntries,
    federatedBundles: [...files.bundles.values()],
    port: ports.agent,
    report,
  });
  try {
    await agent.start();
    const { bundleOut = null } = options;
    if (bundleOut !== null) await writeBundle(bundleOut, agent, authority);
    const facts = {
      trustDomain: authority.trustDomain,
      endpoint: agent.endpoint,
      socketMode: plan.address.kind === 'unix' ? plan.socketMode : null,
      caDirectory: plan.caDirectory,
      entriesFile: options.entries ?? null,
      bundleFile: bundleOut,
      ids: agent.entries.map(({ id }) => id),
      federated: [...files.bundles.keys()],
    };
    io.tell(formatBanner(facts, paint));
    warnOfReach(plan, io);
    files.follow((event) => {
      const change = applyChange(event, agent, (bundles) => say(formatFederated(bundles, nowMs(), paint)));
      change.catch((error: unknown) => {
        if (!(error instanceof SallyportError)) throw error;
        io.writeError(formatProblem(error));
      });
    });
    if (!ports.stop.aborted) await once(ports.stop, 'abort');
  } finally {
    await agent.close();
  }
  say('ended; the socket is gone\n');
}

async function applyChange(
  event: AgentFilesEvent,
  agent: DevelopmentAgent,
  onFederated: (trustDomains: readonly TrustDomain[]) => void,
): Promise<void> {
  switch (event.kind) {
    case 'entries':
      await agent.setEntries(event.entries);
      return;
    case 'bundles':
      await agent.setFederatedBundles([...event.bundles.values()]);
      onFederated([...event.bundles.keys()]);
      return;
    case 'failed':
      throw event.error;
    case 'recovered':
      return;
  }
}

function parsePlan(options: ServeOptions): Plan {
  const { trustDomain, ca: caDirectory = null } = options;
  if (trustDomain === undefined && caDirectory === null)
    throw usage('--trust-domain: missing, and so is --ca that has one');
  if (options.id.length === 0 && options.entries === undefined) {
    throw usage('nobody to hand out: name identities with --id, or a file of them with --entries');
  }
  if (!SOCKET_MODE.test(options.socketMode)) {
    throw usage(`--socket-mode: ${quote(options.socketMode)} is not a mode in octal, such as 0600 or 0660`);
  }
  const ttlMs = option('--ttl', options.ttl, parseTtl);
  if (ttlMs < MIN_TTL_MS)
    throw usage(`--ttl: ${quote(options.ttl)} is too short a life to be renewed in time; use 2s or more`);
  return {
    address: option('--socket', options.socket, parseSocketOption),
    socketMode: Number.parseInt(options.socketMode, 8),
    ttlMs,
    trustDomain: trustDomain === undefined ? null : option('--trust-domain', trustDomain, parseTrustDomain),
    caDirectory,
  };
}

async function openOrCreateAuthority(
  { caDirectory, trustDomain }: Plan,
  io: CommandIo,
  { clock, crypto }: AgentPort,
): Promise<DevelopmentAuthority> {
  const { createAuthority, openAuthority } = await import('../devca/authority.ts');
  const issuing = { nowMs: clock.wallMs(), crypto };
  if (caDirectory !== null) {
    const authority = await openAuthority(await readAuthority(caDirectory, io), issuing);
    if (trustDomain === null || trustDomain === authority.trustDomain) return authority;
    throw usage(`--trust-domain: the CA in ${quote(caDirectory)} is of ${quote(authority.trustDomain)}`);
  }
  if (trustDomain === null) throw usage('--trust-domain: missing');
  return createAuthority({ trustDomain, ttlMs: CA_TTL_MS, keyType: 'p256', signWith: 'root' }, issuing);
}

function parseFixed(options: ServeOptions, own: TrustDomain, ttlMs: number): EntriesDocument {
  const entries = options.id.map((text) => {
    const id = option('--id', text, parseSpiffeId);
    if (trustDomainOf(id) !== own) throw usage(`--id: ${quote(id)} is not of the trust domain ${quote(own)}`);
    if (pathOf(id) === '') throw usage(`--id: ${quote(id)} names a trust domain, not a workload; add a path`);
    return { id, hint: '', ttlMs, dnsNames: [] };
  });
  if (new Set(entries.map(({ id }) => id)).size < entries.length) throw usage('--id: the same identity is given twice');
  const federation = new Map<TrustDomain, string>();
  for (const text of options.federate) {
    const [name = '', ...path] = text.split('=');
    if (path.join('=') === '') throw usage(`--federate: ${quote(text)} is not \`TRUSTDOMAIN=FILE\``);
    const trustDomain = option('--federate', name, parseTrustDomain);
    if (trustDomain === own) throw usage(`--federate: ${quote(own)} is served here; its bundle is that of the CA`);
    if (federation.has(trustDomain)) throw usage(`--federate: trust domain ${quote(trustDomain)} is given twice`);
    federation.set(trustDomain, resolve(path.join('=')));
  }
  return { entries, federation };
}

async function writeBundle(path: string, { bundle }: DevelopmentAgent, authority: DevelopmentAuthority): Promise<void> {
  const { toCertificatesPem } = await import('../devca/sign.ts');
  const contents = path.endsWith('.json')
    ? `${formatBundleDocument({ bundle, sequence: null, refreshHintMs: null })}\n`
    : toCertificatesPem([authority.root]);
  await writeCredentialFiles([{ path, contents, readers: 'everybody' }], 'replace');
}

function warnOfReach({ address, socketMode }: Plan, io: CommandIo): void {
  if (address.kind === 'tcp') {
    warn(io, 'hands keys to every user of this machine; a Unix socket has permissions');
  } else if ((socketMode & OTHERS_MAY_CONNECT) !== 0) {
    warn(io, `hands keys to other users of this machine too: the socket has mode 0${socketMode.toString(8)}`);
  } else {
    warn(io, 'hands keys to whoever can open the socket, and asks nobody who they are; for development only');
  }
}

function append(text: string, previous: readonly string[]): readonly string[] {
  return [...previous, text];
}
