// A program that follows the agent at its first argument, closes the source, and then has nothing more to do: run by source.test.ts.

import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { WorkloadApiSource } from '../../src/workload-api/source.ts';

const [, , path = '', kind = ''] = process.argv;
const source = new WorkloadApiSource({
  address: { kind: 'unix', path },
  trustDomain: parseTrustDomain('ai.example'),
  select: { spiffeId: null, hint: null },
  jwtBundles: true,
  clock: systemClock,
  schedule: systemSchedule,
  random: Math.random,
});
const close = (): void => {
  source.close();
  process.stdin.destroy();
  process.stdout.write('closed\n');
};
// With an agent that says nothing, the test says when.
if (kind === 'silent') process.stdin.once('end', close).resume();
else source.subscribe(close);
source.start();
