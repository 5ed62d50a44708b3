// What stands around the table: where everything is, above it, and below it what it adds up to.

import { relative } from 'node:path';
import type { DemoFiles } from './demo-files.ts';
import { CALLED_HOST, EGRESS_IDENTITY, LISTENER_NAMES } from './listeners.ts';
import type { Overhead } from './overhead.ts';
import type { Stage } from './stage.ts';
import { formatMicros, type Paint } from './table.ts';

export function formatOpening(
  { paths, policyFile }: { readonly paths: DemoFiles; readonly policyFile: string },
  { origins, egress, agent }: Pick<Stage, 'origins' | 'egress' | 'agent'>,
  paint: Paint,
): string {
  const listeners = LISTENER_NAMES.map((name) => `  ${name.padEnd(14)} ${origins[name]}`);
  const lines = [
    `${paint('bold', 'Sallyport demo')}: services, a listener in front of each, one access matrix`,
    '',
    ...listeners,
    `  egress         ${egress.origin} (of ${EGRESS_IDENTITY}, to ${CALLED_HOST})`,
    '',
    `  policy         ${relative('.', policyFile)}`,
    `  configuration  ${paths.config}`,
    `  revocations    ${paths.revocations}`,
    `  Workload API   ${agent.isInFolder ? paths.socket : agent.endpoint}`,
    `  log            ${paths.log}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** `complaints`: null for each outcome that was as expected. */
export function formatSummary(complaints: readonly (string | null)[], overhead: Overhead | null, paint: Paint): string {
  const met = complaints.filter((complaint) => complaint === null).length;
  const verdict = `${met} of ${complaints.length} outcomes as expected`;
  const lines = [paint(met === complaints.length ? 'green' : 'red', verdict)];
  if (overhead !== null) {
    const { requests, medianSeconds, p99Seconds } = overhead;
    const figures = `median ${formatMicros(medianSeconds)} µs, p99 ${formatMicros(p99Seconds)} µs`;
    lines.push(
      `overhead of the sidecar over ${requests.toLocaleString('en')} allowed requests: ${paint('bold', figures)}`,
      paint(
        'dim',
        'µs is the time inside the sidecar: from the bytes of a request to the service being sent it, and from',
      ),
      paint(
        'dim',
        'its answer to that being encrypted and written; the service and the network are not in it. A row is',
      ),
      paint('dim', 'one request, mostly the first on its connection.'),
    );
  }
  return `${lines.join('\n')}\n`;
}
