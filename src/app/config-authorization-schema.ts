// How an authorization service is told where it listens, what it is asked about and by whom: `authorization`.

import type { z } from 'zod';
import { choice, list, mapping, text } from './config-fields.ts';
import { parseName, parseServiceBind } from './config-values.ts';

const component = text('the name of a component', parseName);

export const authorizationService = mapping({
  name: text('a name', parseName),
  protocol: choice('envoy', 'nginx', 'forward-auth'),
  bind: text('an address such as `unix:/run/sallyport/authorization.sock`', parseServiceBind),
  openTo: choice('owner', 'group').optional(),
  component: component.optional(),
  components: list(component, 'a list of names of components').optional(),
  // Read by the rules, since `/path` means a path of the own trust domain.
  callers: list(
    text('a pattern of SPIFFE IDs such as `/gateway/*`', (value) => value),
    'a list of patterns of SPIFFE IDs',
  ).optional(),
}).superRefine(checkWhatItIsAskedAbout, { when: ({ value }) => typeof value === 'object' && value !== null });

export type AuthorizationServiceDocument = z.output<typeof authorizationService>;

/** Either `component` or `components`: here, since only here a key that is wrong differs from one that is not there. */
function checkWhatItIsAskedAbout(value: object, context: z.RefinementCtx): void {
  const [hasOne, hasNamed] = ['component', 'components'].map((key) => key in value);
  if (hasOne !== hasNamed) return;
  const [code, message] = hasOne
    ? ['conflict', 'a service has either `component` or `components`, of which each check names one; not both']
    : [
        'missing-key',
        '`component` is missing; expected the name of the component that checks are about, or `components`',
      ];
  context.addIssue({ code: 'custom', path: ['component'], message, params: { code } });
}
