// Protocols other than HTTP/1.1 over mTLS, side by side: rounds taken in turn, as everywhere.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Pair, measurePaired } from '../proxy/paired.ts';
import { bundleShipped } from '../proxy/bundle.ts';
import { CLIENTS } from '../proxy/contender.ts';
import { writeCredentials } from '../proxy/credentials.ts';
import { NGINX_NEEDS, startUpstream } from '../proxy/nginx.ts';
import { findVersion, freePort, type Program } from '../proxy/programs.ts';
import { OWN } from '../report/comparison-table.ts';
import type { Section } from '../report/results.ts';
import { type Figure, Samples } from '../samples.ts';
import { startOwnUpstream } from '../upstreams/start.ts';
import { askCheck } from './checks.ts';
import { type ProtocolContender, type Serving, toServing } from './contender.ts';
import type { ProtocolEffort } from './effort.ts';
import { HAPROXY_TCP } from './haproxy.ts';
import {
  type Load,
  measureAtRate,
  measureBytes,
  measureConnecting,
  measureSaturation,
  type ProtocolBench,
  warmUp,
} from './measurements.ts';
import { type SallyportContenders, sallyportContenders, socketOf } from './sallyport.ts';
import { STUNNEL } from './stunnel.ts';
import { targetOf, type Workload, workloadsOf } from './workloads.ts';

export const PROTOCOL_PARTS = ['grpc', 'http2', 'pair', 'tcp'] as const;

export type ProtocolPart = (typeof PROTOCOL_PARTS)[number];

export interface ProtocolChoice {
  readonly effort: ProtocolEffort;
  readonly parts: readonly (ProtocolPart | 'checks')[];
  /** Part of a contender's name; empty is everybody. */
  readonly contenders: readonly string[];
}

export interface ProtocolFigures {
  readonly sections: readonly Section[];
  readonly versions: Readonly<Record<string, string>>;
  readonly missing: readonly string[];
}

type Progress = (line: string) => void;

const REFERENCE = 'nginx';
const TCP_REFERENCE = 'stunnel';
const PAIRS: readonly Pair[] = [[OWN, REFERENCE]];
const CHECK_STREAMS = 16;
const CHECK_RATE = 1_000;
const PROGRAMS_NEEDED = [
  NGINX_NEEDS,
  ...['taskset', 'chrt'].map((program) => ({
    program,
    versionArgs: ['--version'],
    install: 'apt-get install util-linux',
  })),
];

export async function compareProtocols(choice: ProtocolChoice, progress: Progress): Promise<ProtocolFigures> {
  const missing = PROGRAMS_NEEDED.filter(({ program, versionArgs }) => findVersion(program, versionArgs) === null).map(
    ({ program, install }) => `no protocol: ${program} is not installed (${install})`,
  );
  if (missing.length > 0) return { sections: [], versions: {}, missing };
  progress('bundling Sallyport');
  const own = sallyportContenders(bundleShipped());
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const comparison = new Comparison(directory, choice, progress);
  try {
    await writeCredentials(directory, CLIENTS);
    const workloads = workloadsOf(own).filter(({ id }) => choice.parts.includes(id));
    const paired: Figure[] = [];
    for (const workload of workloads) paired.push(...(await comparison.compare(workload)));
    const tcp = choice.parts.includes('tcp') ? await comparison.compareTcp(own) : [];
    const checks = choice.parts.includes('checks') ? await comparison.measureChecks(own) : [];
    const sections: readonly Section[] = [
      { id: 'protocols', title: 'Protocols', reference: REFERENCE, figures: comparison.figures },
      { id: 'protocols-paired', title: 'Protocols, in slices that take turns', reference: null, figures: paired },
      { id: 'tcp', title: 'TCP through mTLS', reference: TCP_REFERENCE, figures: tcp },
      {
        id: 'checks',
        title: 'Checks of the authorization service, over a Unix socket',
        reference: null,
        figures: checks,
      },
    ];
    const { versions } = comparison;
    return {
      sections: sections.filter(({ figures }) => figures.length > 0),
      versions,
      missing: [...comparison.missing],
    };
  } finally {
    await comparison.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

class Comparison {
  readonly versions: Record<string, string> = {};
  readonly missing = new Set<string>();
  readonly #directory: string;
  readonly #choice: ProtocolChoice;
  readonly #progress: Progress;
  readonly #samples = new Samples();
  #programs: Program[] = [];
  #started = 0;

  constructor(directory: string, choice: ProtocolChoice, progress: Progress) {
    this.#directory = directory;
    this.#choice = choice;
    this.#progress = progress;
  }

  get figures(): readonly Figure[] {
    return this.#samples.toFigures(REFERENCE);
  }

  /** @returns what is measured in slices. */
  async compare(workload: Workload): Promise<readonly Figure[]> {
    const { effort } = this.#choice;
    const bench = { directory: this.#directory, samples: this.#samples };
    const upstreamPort = await this.#startUpstream(workload.upstream);
    const serving = await this.#startAll(workload.contenders, upstreamPort);
    const floor = workload.floor === null ? [] : await this.#startAll([workload.floor], upstreamPort);
    const loadOf = ({ port }: Serving): Load => ({ ...workload, target: targetOf(workload, port) });
    await this.#take(1, serving, (each) => warmUp(bench, each, { load: loadOf(each), ms: effort.warmUpMs }));
    await this.#take(effort.saturation.rounds, serving, (each) =>
      measureSaturation(bench, each, { load: loadOf(each), period: effort.saturation }),
    );
    await this.#take(effort.latency.rounds, [...floor, ...serving], (each) => {
      const { ratePerSecond } = workload;
      return measureAtRate(bench, each, { load: loadOf(each), period: effort.latency, ratePerSecond });
    });
    const turns = serving
      .filter(({ name }) => PAIRS.flat().includes(name))
      .map((each) => ({ name: each.name, plan: loadOf(each), cpuSeconds: () => each.cpuSeconds() }));
    this.#progress(`${effort.paired.rounds} rounds of slices over ${workload.title}`);
    const { rows, ...figure } = await measurePaired(this.#directory, turns, { ...effort.paired, pairs: PAIRS });
    await this.close();
    if (rows.length === 0) return [];
    return [{ ...figure, id: `${workload.id}-paired`, title: `${workload.title}: ${figure.title}`, rows }];
  }

  async compareTcp(own: SallyportContenders): Promise<readonly Figure[]> {
    const { warmUpMs, streaming, connecting } = this.#choice.effort;
    const samples = new Samples();
    const bench = { directory: this.#directory, samples };
    const serving = await this.#startAll([STUNNEL, HAPROXY_TCP, own.tcp], await this.#startUpstream('tcp'));
    const loadOf = ({ port }: Serving, direction: 'down' | 'up' | 'echo', title: string): Load => ({
      id: `tcp-${direction}`,
      title,
      one: 'connection',
      at: 'one connection',
      connections: 1,
      target: { kind: 'mtls', port },
      asks: { protocol: 'tcp', direction },
    });
    await this.#take(1, serving, async (each) => {
      const unused = { ...bench, samples: new Samples() };
      const period = { warmupMs: warmUpMs, measureMs: 1 };
      await measureConnecting(unused, each, { load: loadOf(each, 'echo', 'connecting'), period });
      return 'warmed up';
    });
    for (const [direction, title] of [
      ['down', 'from the upstream'],
      ['up', 'to the upstream'],
    ] as const)
      await this.#take(streaming.rounds, serving, (each) =>
        measureBytes(bench, each, { load: loadOf(each, direction, title), period: streaming }),
      );
    await this.#take(connecting.rounds, serving, (each) =>
      measureConnecting(bench, each, { load: loadOf(each, 'echo', 'connecting'), period: connecting }),
    );
    await this.close();
    return samples.toFigures(TCP_REFERENCE);
  }

  async measureChecks(own: SallyportContenders): Promise<readonly Figure[]> {
    const { warmUpMs, saturation, latency } = this.#choice.effort;
    const samples = new Samples();
    const bench: ProtocolBench = { directory: this.#directory, samples };
    const serving = await this.#startAll([own.checks], 0);
    const path = socketOf({ directory: this.#directory });
    const asks = await askCheck(this.#directory, path, CHECK_STREAMS);
    const target = { kind: 'plain', at: path } as const;
    const load: Load = {
      id: 'checks',
      title: 'Checks',
      one: 'check',
      at: `${CHECK_STREAMS} at a time`,
      connections: 1,
      target,
      asks,
    };
    const alone = {
      ...load,
      id: 'checks-alone',
      title: 'Checks one after the other',
      at: 'one at a time',
      asks: { ...asks, streams: 1 },
    };
    await this.#take(1, serving, (each) => warmUp(bench, each, { load, ms: warmUpMs }));
    for (const asked of [alone, load])
      await this.#take(saturation.rounds, serving, (each) =>
        measureSaturation(bench, each, { load: asked, period: saturation }),
      );
    await this.#take(latency.rounds, serving, (each) =>
      measureAtRate(bench, each, { load, period: latency, ratePerSecond: CHECK_RATE }),
    );
    await this.close();
    return samples.toFigures(REFERENCE);
  }

  /** Of whatever was started, nothing is left. */
  async close(): Promise<void> {
    const programs = this.#programs;
    this.#programs = [];
    await Promise.all(programs.map((program) => program.stop()));
  }

  async #startUpstream(kind: 'grpc' | 'http1' | 'tcp'): Promise<number> {
    const { port, program } = await (kind === 'http1' ? startUpstream(this.#directory, 0) : startOwnUpstream(kind));
    this.#programs.push(program);
    return port;
  }

  async #startAll(contenders: readonly ProtocolContender[], upstreamPort: number): Promise<readonly Serving[]> {
    const serving: Serving[] = [];
    for (const contender of contenders) {
      if (!this.#isMeasured(contender)) continue;
      this.#started += 1;
      const directory = join(this.#directory, `proxy-${this.#started}`);
      mkdirSync(directory);
      const port = await freePort();
      const programs = await contender.start({ directory: this.#directory, upstreamPort }, { directory, port });
      this.#programs.push(...programs);
      serving.push(toServing(contender, port, programs));
    }
    return serving;
  }

  #isMeasured({ name, needs }: ProtocolContender): boolean {
    const { contenders } = this.#choice;
    if (contenders.length > 0 && !contenders.some((part) => name === part || name === `Sallyport ${part}`))
      return false;
    if (needs === null) return true;
    const version = findVersion(needs.program, needs.versionArgs);
    if (version === null)
      this.missing.add(`${name}: not measured, ${needs.program} is not installed (${needs.install})`);
    else this.versions[name] = version;
    return version !== null;
  }

  async #take(rounds: number, serving: readonly Serving[], measure: (each: Serving) => Promise<string>): Promise<void> {
    for (let round = 1; round <= rounds; round += 1)
      for (const each of serving) this.#progress(`${round}/${rounds} ${each.name}: ${await measure(each)}`);
  }
}
