// What an audit costs from start to exit, by processes of their own: a dump of a made-up cluster in four sizes, and a repository of manifests.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Corpus, createCorpus } from './audit-corpus.ts';
import { ROOT } from './proxy/contender.ts';
import { type Summary, summarise } from './summary.ts';

export interface AuditEffort {
  readonly rounds: number;
  /** Of the largest cluster; the others have a half, a quarter and an eighth of it. */
  readonly pods: number;
  readonly manifests: number;
}

export interface AuditFigure {
  readonly name: string;
  readonly seconds: Summary;
  /** Resident, at its highest. */
  readonly mebibytes: Summary;
}

/** Rounds are interleaved, so that whatever else the machine does falls on all alike. */
export function measureAudit(effort: AuditEffort, progress: (line: string) => void): readonly AuditFigure[] {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-audit-'));
  try {
    const samples = writeInputs(directory, effort).map((run) => ({ ...run, taken: [] as Taken[] }));
    for (let round = 1; round <= effort.rounds; round += 1) {
      for (const { name, argv, taken } of samples) {
        const measured = runAudit(argv);
        taken.push(measured);
        const { seconds, mebibytes } = measured;
        progress(`round ${round}/${effort.rounds}: ${name} ${seconds.toFixed(2)} s, ${mebibytes.toFixed(0)} MiB`);
      }
    }
    return samples.map(({ name, taken }) => ({
      name,
      seconds: summarise(taken.map(({ seconds }) => seconds)),
      mebibytes: summarise(taken.map(({ mebibytes }) => mebibytes)),
    }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Run {
  readonly name: string;
  readonly argv: readonly string[];
}

const SEED = 1;

function writeInputs(directory: string, { pods, manifests }: AuditEffort): readonly Run[] {
  const sizes = [8, 4, 2, 1].map((part) => {
    const corpus = createCorpus({ pods: pods / part, namespaces: pods / part / 20, policies: pods / part / 5 }, SEED);
    const file = join(directory, `dump-${part}.json`);
    writeFileSync(file, dumpOf(corpus));
    return { pods: pods / part, file };
  });
  const largest = join(directory, 'dump-1.json');
  const repository = join(directory, 'repository');
  writeRepository(repository, manifests);
  return [
    ...sizes.map(({ pods: count, file }) => ({ name: `audit cluster, ${count} pods`, argv: ['cluster', file] })),
    ...['json', 'sarif', 'html'].map((format) => ({
      name: `audit cluster, ${pods} pods, ${format}`,
      argv: ['cluster', largest, '--format', format],
    })),
    { name: `audit connections, ${pods} pods`, argv: ['connections', largest] },
    { name: `audit cluster, ${manifests} manifests in YAML`, argv: ['cluster', repository] },
  ];
}

/** As kubectl writes it. */
function dumpOf({ manifests, replicas }: Corpus): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...manifests, ...replicas] }, null, 4);
}

function writeRepository(directory: string, count: number): void {
  mkdirSync(directory);
  const { manifests } = createCorpus({ pods: count * 2, namespaces: 40, policies: 160 }, SEED);
  for (const [index, manifest] of manifests.slice(0, count).entries()) {
    writeFileSync(join(directory, `${index}.yaml`), stringify(manifest, { aliasDuplicateObjects: false }));
  }
}

interface Taken {
  readonly seconds: number;
  readonly mebibytes: number;
}

/** The process tells its own peak as it ends, past its other outputs; its resource usage would begin with what we had when we forked. */
const TELL_PEAK = `data:text/javascript,${encodeURIComponent(
  "import{readFileSync,writeSync}from'node:fs';process.on('exit',()=>writeSync(3,/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status','utf8'))?.[1]??''))",
)}`;

function runAudit(argv: readonly string[]): Taken {
  const startedAt = performance.now();
  const { status, output } = spawnSync(
    process.execPath,
    ['--import', TELL_PEAK, join(ROOT, 'src/main.ts'), 'audit', ...argv],
    { stdio: ['ignore', 'ignore', 'inherit', 'pipe'], encoding: 'utf8' },
  );
  const seconds = (performance.now() - startedAt) / 1000;
  // Findings, or what could not be judged, are answers.
  if (status !== 0 && status !== 1 && status !== 3) throw new Error(`audit ${argv.join(' ')} ended with ${status}`);
  return { seconds, mebibytes: Number(output[3]) / 1024 };
}
