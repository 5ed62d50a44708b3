// Where the microseconds of a request go: Sallyport from its sources under load, its CPU by the kernel's accounting, and the shares of
// its modules by the CPU profiler.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLoad } from '../load/run-load.ts';
import type { LoadPlan } from '../load/plan.ts';
import { CLIENTS, LOAD_CPU, PROXY_CPU, ROOT, SMALL_PATH, UNIQUE_PATH } from '../proxy/contender.ts';
import { writeCredentials } from '../proxy/credentials.ts';
import { formatInference, POLICY } from '../protocols/sallyport.ts';
import { GRPC_LOAD, HTTP2_LOAD } from '../protocols/workloads.ts';
import { startUpstream } from '../proxy/nginx.ts';
import { cpuSeconds, kernelShare } from '../proxy/process-accounting.ts';
import { freePort, type Program, startProgram } from '../proxy/programs.ts';
import { formatRegistry, formatSallyportConfig } from '../proxy/sallyport-config.ts';
import { startOwnUpstream } from '../upstreams/start.ts';
import { attribute, NATIVE } from './attribute.ts';
import { RemoteProfiler } from './inspector.ts';

/** What is spoken with the peer; over `grpc` with the upstream as well, which otherwise speaks HTTP/1.1. */
export const PROFILED = ['http1', 'http2', 'grpc'] as const;

export type Profiled = (typeof PROFILED)[number];

export interface ProfileEffort {
  readonly protocol: Profiled;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly isCold: boolean;
}

export interface ProfileFigures {
  /** Without the profiler. */
  readonly cpuMicrosPerRequest: number;
  readonly modules: readonly { readonly name: string; readonly micros: number; readonly share: number }[];
  readonly functions: readonly { readonly name: string; readonly micros: number; readonly share: number }[];
}

export async function measureProfile(effort: ProfileEffort, progress: (line: string) => void): Promise<ProfileFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const programs: Program[] = [];
  try {
    await writeCredentials(directory, CLIENTS);
    const isGrpc = effort.protocol === 'grpc';
    const upstream = isGrpc ? await startOwnUpstream('grpc') : await startUpstream(directory, 0);
    programs.push(upstream.program);
    const [port, inspectorPort] = [await freePort(), await freePort()];
    const config = join(directory, 'sallyport.yaml');
    const policyPath = join(directory, 'policy.yaml');
    const serving = isGrpc ? formatInference(port, upstream.port) : formatRegistry(port, upstream.port);
    writeFileSync(policyPath, POLICY);
    writeFileSync(config, formatSallyportConfig({ directory, svid: 'server', serving, policyPath, logsAll: false }));
    // Not bundled, so that functions are in the files they were written in.
    const sallyport = await startProgram(
      [process.execPath, `--inspect=127.0.0.1:${inspectorPort}`, join(ROOT, 'src/main.ts'), 'run', '--config', config],
      { cpu: PROXY_CPU, port },
    );
    programs.push(sallyport);
    const plan: LoadPlan = {
      kind: 'closed',
      target: { kind: 'mtls', port },
      ...loadOf(effort),
      directory,
      clients: CLIENTS,
      warmupMs: effort.warmUpMs,
      measureMs: effort.measureMs,
    };
    progress('under load without the profiler');
    const plain = await underLoad(plan, sallyport, async () => {});
    progress('under load with the profiler');
    const profiler = await RemoteProfiler.connect(inspectorPort);
    const profiled = await underLoad({ ...plan, warmupMs: 1_000 }, sallyport, () =>
      // Ends before the load does.
      profiler.profile(effort.measureMs * 0.9),
    );
    profiler.close();
    if (profiled.during === undefined) throw new Error('there is no profile');
    return toFigures(plain, attribute(profiled.during));
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

function loadOf({ protocol, isCold }: ProfileEffort): Pick<LoadPlan, 'asks' | 'connections'> {
  switch (protocol) {
    case 'http1':
      return { asks: { protocol, path: isCold ? UNIQUE_PATH : SMALL_PATH }, connections: 64 };
    case 'http2':
      return HTTP2_LOAD;
    case 'grpc':
      return GRPC_LOAD;
  }
}

interface Loaded<During> {
  readonly cpuMicrosPerRequest: number;
  /** Of the CPU, what the kernel used. */
  readonly kernelShare: number;
  readonly during: During;
}

async function underLoad<During>(
  plan: LoadPlan,
  { pid }: Program,
  whileMeasuring: () => Promise<During>,
): Promise<Loaded<During>> {
  let [before, after, kernel] = [Number.NaN, Number.NaN, Number.NaN];
  let shareSince = (): number => Number.NaN;
  const during = Promise.withResolvers<During>();
  const { done } = await runLoad(
    plan,
    { cpu: LOAD_CPU, processes: 1 },
    {
      start: () => {
        before = cpuSeconds(pid);
        shareSince = kernelShare(pid);
        whileMeasuring().then(during.resolve, during.reject);
      },
      end: () => {
        after = cpuSeconds(pid);
        kernel = shareSince();
      },
    },
  );
  return { cpuMicrosPerRequest: ((after - before) / done) * 1e6, kernelShare: kernel, during: await during.promise };
}

/** The profiler sees OpenSSL, libuv and kernel as one; how much of it is the kernel's says the accounting. */
function toFigures(
  { cpuMicrosPerRequest, kernelShare: kernel }: Loaded<unknown>,
  { modules, functions }: ReturnType<typeof attribute>,
): ProfileFigures {
  const parts = new Map(modules);
  const native = parts.get(NATIVE) ?? 0;
  parts.delete(NATIVE);
  parts.set('sockets: the kernel', Math.min(kernel, native));
  parts.set("TLS: OpenSSL, with libuv and Node's C++", Math.max(0, native - kernel));
  const toRow = ([name, share]: readonly [string, number]) => ({ name, share, micros: share * cpuMicrosPerRequest });
  return {
    cpuMicrosPerRequest,
    modules: [...parts].map(toRow).sort((a, b) => b.share - a.share),
    functions: functions.map(({ name, share }) => toRow([name, share])),
  };
}
