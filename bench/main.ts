// `npm run bench [-- --quick]`: measures what things cost, prints it and keeps it; asserts nothing but that the answers were right.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { estimateSeconds } from './estimate.ts';
import { type BenchOptions, parseOptions } from './options.ts';
import { ROOT } from './proxy/contender.ts';
import { renderCharts } from './report/charts.ts';
import { describeCommit, describeMachine } from './report/machine.ts';
import { replaceSection } from './report/readme.ts';
import { parseResults, type Results } from './report/results.ts';
import { renderMarkdown, renderTerminal } from './report/text.ts';
import { measureSections } from './sections.ts';

const KEPT = join(ROOT, 'bench/results');
/** A run that is not complete is kept where nobody takes it for one. */
const SCRATCH = join(ROOT, 'node_modules/.cache/sallyport-bench/results');

const options = parseOptions(process.argv.slice(2));
if (options.parts.includes('readme')) writeReadme();
else await run(options);

async function run(chosen: BenchOptions): Promise<void> {
  const startedAt = performance.now();
  const elapsed = (): number => (performance.now() - startedAt) / 1000;
  const progress = (line: string): void => {
    process.stderr.write(`${elapsed().toFixed(0).padStart(4)} s  ${line}\n`);
  };
  progress(`about ${(estimateSeconds(chosen) / 60).toFixed(1)} minutes, where nothing else is running`);
  const { sections, versions, missing } = await measureSections(chosen, progress);
  const results: Results = {
    date: new Date().toISOString(),
    commit: describeCommit(ROOT),
    isQuick: chosen.isQuick,
    seconds: Math.round(elapsed()),
    machine: describeMachine(),
    versions: { Node: process.versions.node, OpenSSL: process.versions.openssl, ...versions },
    missing,
    sections,
  };
  process.stdout.write(`\n${renderTerminal(results)}\n`);
  const directory = chosen.out ?? (chosen.isComplete ? KEPT : SCRATCH);
  keep(results, directory);
  process.stderr.write(`kept in ${directory}\n`);
}

function keep(results: Results, directory: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'latest.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(directory, 'latest.md'), renderMarkdown(results));
  for (const [name, chart] of renderCharts(results)) writeFileSync(join(directory, name), chart);
}

function writeReadme(): void {
  const file = join(ROOT, 'README.md');
  const results = parseResults(readFileSync(join(KEPT, 'latest.json'), 'utf8'));
  writeFileSync(file, replaceSection(readFileSync(file, 'utf8'), results));
}
