// `workload fetch`: what the agent on this machine gives to a workload, for whoever has to find out why one has no identity.

import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { escapeJson } from '../core/ascii-json.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { parseSpiffeId, type SpiffeId } from '../spiffe/spiffe-id.ts';
import { type Agent, ANSWER_TIMEOUT_MS, fetchJwtSvids } from '../workload-api/client.ts';
import { formatEndpointAddress, parseEndpointAddress } from '../workload-api/endpoint-address.ts';
import {
  FETCH_JWT_BUNDLES,
  FETCH_X509_BUNDLES,
  FETCH_X509_SVID,
  type EmptyRequest,
  type Method,
  type X509SvidResponse,
} from '../workload-api/messages.ts';
import type { CommandIo } from './command-io.ts';
import { type CredentialFile, writeCredentialFiles } from './credential-files.ts';
import { createPaint } from './paint.ts';
import { parseSocketOption } from './socket-option.ts';
import { stopOnSignal } from './stop-signal.ts';
import { bundleFiles, x509Files } from './workload-out.ts';
import {
  hasProblem,
  reportJwt,
  reportJwtBundles,
  reportX509,
  reportX509Bundles,
  type WorkloadReport,
} from './workload-report.ts';
import { fetchFirst, systemFetchPorts, type WatchedStream, watchStreams } from './workload-streams.ts';
import { formatWorkloadReport } from './workload-text.ts';

class WorkloadCommandError extends SallyportError<'usage' | 'not-given'> {}

interface FetchOptions {
  readonly socket?: string;
  readonly format: 'text' | 'json';
  readonly out?: string;
  readonly force: boolean;
}

interface X509Options extends FetchOptions {
  readonly id?: string;
  readonly watch: boolean;
}

interface JwtOptions extends FetchOptions {
  readonly audience: readonly [string, ...string[]];
  readonly id?: string;
  readonly token: boolean;
}

interface BundlesOptions extends FetchOptions {
  readonly watch: boolean;
}

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const SOCKET_VARIABLE = 'SPIFFE_ENDPOINT_SOCKET';

export function registerWorkloadCommand(program: Command, io: CommandIo): void {
  const fetch = program
    .command('workload')
    .description('what the SPIFFE agent of this machine gives to a workload')
    .command('fetch')
    .description('ask the agent; show what it gives and what is wrong with it; exit 1 when something is');
  const x509 = fetch
    .command('x509')
    .description('X.509-SVIDs and the bundles that come with them; never shows a key')
    .option('--id <spiffe-id>', 'this one alone')
    .option('--watch', 'go on with every message, until a signal', false);
  withCommonOptions(x509, 'svid.pem, svid.key, bundle.pem, federated-TRUSTDOMAIN.pem').action((options: X509Options) =>
    run(io, () => fetchX509(options, io)),
  );
  const jwt = fetch
    .command('jwt')
    .description('JWT-SVIDs, verified with the bundles of the agent; shows a token only with --token')
    .requiredOption('--audience <text>', 'whom they are for; repeatable', append)
    .option('--id <spiffe-id>', 'of this identity alone')
    .option('--token', 'write the tokens and nothing else, one a line', false);
  withCommonOptions(jwt, 'svid.jwt, the first token').action((options: JwtOptions) =>
    run(io, () => fetchJwt(options, io)),
  );
  const bundles = fetch
    .command('bundles')
    .description('trust bundles, for X.509-SVIDs and for JWT-SVIDs')
    .option('--watch', 'go on with every message, until a signal', false);
  withCommonOptions(bundles, 'TRUSTDOMAIN.json for each, a SPIFFE bundle document').action((options: BundlesOptions) =>
    run(io, () => fetchBundles(options, io)),
  );
}

function withCommonOptions(command: Command, files: string): Command {
  return command
    .option('--socket <address>', `path, unix:///path or tcp://IP:port (default: ${SOCKET_VARIABLE})`)
    .addOption(new Option('--format <format>', 'what to write').choices(['text', 'json']).default('text'))
    .option('--out <directory>', `also write files: ${files}`)
    .option('--force', 'replace files that are there', false);
}

async function fetchX509(options: X509Options, io: CommandIo): Promise<void> {
  const fetching = begin(options, io);
  const id = parseId(options.id);
  const toReport = (response: X509SvidResponse): WorkloadReport => {
    const svids = response.svids.filter(({ spiffeId }) => id === null || spiffeId === id);
    return reportX509({ ...response, svids }, systemFetchPorts.clock.wallMs());
  };
  if (options.watch) {
    await watch(fetching, [watched(FETCH_X509_SVID, (response) => show(toReport(response), fetching))]);
    return;
  }
  const response = await fetchFirst(fetching.agent, FETCH_X509_SVID);
  const svid = response.svids.find(({ spiffeId }) => id === null || spiffeId === id);
  if (svid === undefined) {
    const given = response.svids.map(({ spiffeId }) => quote(spiffeId)).join(', ');
    const wanted = id === null ? 'X.509-SVID' : `X.509-SVID of ${quote(id)}`;
    const message = `the agent gives no ${wanted}; it gives ${given === '' ? 'none' : given}`;
    throw new WorkloadCommandError('not-given', message);
  }
  show(toReport(response), fetching);
  if (options.out !== undefined) await write(x509Files(options.out, svid, response), fetching);
}

async function fetchJwt(options: JwtOptions, io: CommandIo): Promise<void> {
  const fetching = begin(options, io);
  const { audience: audiences, out } = options;
  const svids = await fetchJwtSvids(fetching.agent, { audiences, id: parseId(options.id) });
  const bundles = await fetchFirst(fetching.agent, FETCH_JWT_BUNDLES);
  const report = reportJwt(svids, bundles, { audiences, nowMs: systemFetchPorts.clock.wallMs() });
  const sound = svids.filter((_, index) => report.svids[index]?.problem === null);
  if (options.token) {
    for (const { svid } of sound) io.tell(`${svid}\n`);
    for (const { spiffeId, problem } of report.svids) {
      if (problem !== null) io.writeError(`sallyport: ${quote(spiffeId)}: ${problem.message} [${problem.code}]\n`);
    }
    if (hasProblem(report)) io.setExitCode(EXIT_FAILURE);
  } else {
    show(report, fetching);
  }
  const [first] = sound;
  if (out === undefined || first === undefined) return;
  await write([{ path: join(out, 'svid.jwt'), contents: first.svid, readers: 'owner' }], fetching);
}

async function fetchBundles(options: BundlesOptions, io: CommandIo): Promise<void> {
  const fetching = begin(options, io);
  if (options.watch) {
    await watch(fetching, [
      watched(FETCH_X509_BUNDLES, (response) => show(reportX509Bundles(response), fetching)),
      watched(FETCH_JWT_BUNDLES, (response) => show(reportJwtBundles(response), fetching)),
    ]);
    return;
  }
  const x509 = await fetchFirst(fetching.agent, FETCH_X509_BUNDLES);
  show(reportX509Bundles(x509), fetching);
  const jwt = await fetchFirst(fetching.agent, FETCH_JWT_BUNDLES);
  if (options.format === 'text') io.tell('\n');
  show(reportJwtBundles(jwt), fetching);
  if (options.out !== undefined) await write(bundleFiles(options.out, x509, jwt), fetching);
}

interface Fetching {
  readonly agent: Agent;
  readonly options: FetchOptions;
  readonly io: CommandIo;
}

function begin(options: FetchOptions & { readonly watch?: boolean }, io: CommandIo): Fetching {
  if (options.watch === true && options.out !== undefined) {
    throw usage('--out: not together with --watch; nothing here renews files');
  }
  const { socket } = options;
  const fromEnvironment = process.env[SOCKET_VARIABLE];
  const { schedule } = systemFetchPorts;
  // SPIFFE_Workload_Endpoint.md §4: what is said explicitly wins.
  if (socket !== undefined) {
    const address = parsed('--socket', () => parseSocketOption(socket));
    return { agent: { address, answerTimeoutMs: ANSWER_TIMEOUT_MS, schedule }, options, io };
  }
  if (fromEnvironment === undefined) throw usage(`no agent: name its socket with --socket, or in ${SOCKET_VARIABLE}`);
  const address = parsed(SOCKET_VARIABLE, () => parseEndpointAddress(fromEnvironment));
  return { agent: { address, answerTimeoutMs: ANSWER_TIMEOUT_MS, schedule }, options, io };
}

function show(report: WorkloadReport, { agent, options, io }: Fetching): void {
  if (options.format === 'json') {
    const document = { agent: formatEndpointAddress(agent.address), ...report };
    io.tell(`${escapeJson(JSON.stringify(document))}\n`);
  } else {
    io.tell(formatWorkloadReport(report, createPaint(io.colour)));
  }
  if (hasProblem(report)) io.setExitCode(EXIT_FAILURE);
}

function watched<Response>(method: Method<EmptyRequest, Response>, take: (response: Response) => void): WatchedStream {
  return { method, show: (message) => take(method.response.decode(message)) };
}

async function watch({ agent, options, io }: Fetching, streams: readonly WatchedStream[]): Promise<void> {
  const { signal, release } = stopOnSignal();
  const dated = streams.map(({ method, show: showOne }) => ({
    method,
    show: (message: Uint8Array): void => {
      const at = new Date(systemFetchPorts.clock.wallMs()).toISOString();
      if (options.format === 'text') io.tell(`${createPaint(io.colour)(`# ${at}`, 'dim')}\n`);
      showOne(message);
      if (options.format === 'text') io.tell('\n');
    },
  }));
  try {
    const complain = (message: string): void => io.writeError(`sallyport: ${message}\n`);
    const how = await watchStreams(dated, { agent, ports: systemFetchPorts, stop: signal, complain });
    if (how === 'refused') io.setExitCode(EXIT_FAILURE);
  } finally {
    release();
  }
}

async function write(files: readonly CredentialFile[], { options, io }: Fetching): Promise<void> {
  await writeCredentialFiles(files, options.force ? 'replace' : 'refuse');
  for (const { path, readers } of files) {
    // Not where JSON or tokens are read by a program.
    io.writeError(`wrote ${path}${readers === 'owner' ? ' (secret, mode 0600)' : ''}\n`);
  }
}

function parseId(text: string | undefined): SpiffeId | null {
  return text === undefined ? null : parsed('--id', () => parseSpiffeId(text));
}

function parsed<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    throw new WorkloadCommandError('usage', `${name}: ${error.message}`, { cause: error });
  }
}

function usage(message: string): WorkloadCommandError {
  return new WorkloadCommandError('usage', message);
}

async function run(io: CommandIo, command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    io.writeError(`sallyport: ${error.message}\n`);
    io.setExitCode(error.code === 'usage' ? EXIT_USAGE : EXIT_FAILURE);
  }
}

function append(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), text];
}
