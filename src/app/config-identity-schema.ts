// The configuration's section on who we are: our SVID and bundles from files, or from a Workload API.

import type { z } from 'zod';
import { parseEndpointAddress } from '../workload-api/endpoint-address.ts';
import { byTrustDomain, duration, filePath, mapping, text } from './config-fields.ts';
import { parseHint } from './config-names.ts';
import { parseDuration } from './config-values.ts';

const workloadApi = mapping({
  socket: text('an address such as `unix:///run/spire/sockets/agent.sock`', parseEndpointAddress).optional(),
  // Read by the rules, since `/path` means a path of the own trust domain.
  spiffeId: text('a SPIFFE ID such as `/registry/main`', asWritten).optional(),
  hint: text('a hint, the name the agent gives to one of several SVIDs', parseHint).optional(),
  startTimeout: duration('100ms', '1h').exactOptional(),
});

/** What holds for whatever the section does not say, also when the file has no such section. */
export const WORKLOAD_API_DEFAULTS = {
  startTimeout: parseDuration('30s'),
} as const satisfies z.output<typeof workloadApi>;

export const identity = mapping({
  files: mapping({
    certificate: filePath(),
    privateKey: filePath(),
    trustBundles: byTrustDomain(filePath(), 'a mapping of trust domains to files', 'trustBundles'),
  }).optional(),
  workloadApi: workloadApi.optional(),
}).superRefine(checkSources, { when: ({ value }) => typeof value === 'object' && value !== null });

function asWritten(value: string): string {
  return value;
}

/** Here, since only here a key that is wrong differs from one that is not there. */
function checkSources(value: object, context: z.RefinementCtx): void {
  if (!('files' in value && 'workloadApi' in value)) return;
  const message = 'our SVID comes either from `files` or from `workloadApi`, not from both; take one of them out';
  context.addIssue({ code: 'custom', path: ['workloadApi'], message, params: { code: 'conflict' } });
}
