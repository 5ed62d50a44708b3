// The configuration's section on the bundles of other trust domains, and on giving ours to them.

import { z } from 'zod';
import { byTrustDomain, duration, filePath, mapping, noVariant, seconds, text, variant } from './config-fields.ts';
import { parseWorkloadId } from './config-names.ts';
import { parseBundleUrl, parseEndpointPath } from './config-urls.ts';
import { parseBind } from './config-values.ts';

// Never inferred from anything else: with the wrong profile another authority would say which keys a trust domain has.
// SPIFFE_Federation.md §7.2
const PROFILE = 'profile';
const noProfile = { error: noVariant(PROFILE, ['https_web', 'https_spiffe']) };
const WEB = `${PROFILE}: https_web`;
const SPIFFE = `${PROFILE}: https_spiffe`;

const federatedKeys = {
  url: text('a URL such as `https://bundles.partner.example/bundle.json`', parseBundleUrl),
  bundle: filePath().optional(),
  maxAge: duration('1m', '8760h').optional(),
};

const federated = z.discriminatedUnion(
  PROFILE,
  [
    variant(
      { ...federatedKeys, profile: z.literal('https_web'), ca: filePath().optional() },
      { endpointSpiffeId: SPIFFE },
    ),
    variant(
      {
        ...federatedKeys,
        profile: z.literal('https_spiffe'),
        endpointSpiffeId: text(
          'the SPIFFE ID of the endpoint, such as `spiffe://partner.example/bundle`',
          parseWorkloadId,
        ),
      },
      { ca: WEB },
    ),
  ],
  noProfile,
);

const endpointKeys = {
  bind: text('an address such as `0.0.0.0:8444`', parseBind),
  path: text('a path such as `/bundle.json`', parseEndpointPath).prefault('/'),
  refreshHint: seconds('10s', '24h').prefault('5m'),
};

const endpoint = z.discriminatedUnion(
  PROFILE,
  [
    variant({ ...endpointKeys, profile: z.literal('https_web'), certificate: filePath(), privateKey: filePath() }, {}),
    variant({ ...endpointKeys, profile: z.literal('https_spiffe') }, { certificate: WEB, privateKey: WEB }),
  ],
  noProfile,
);

export type FederatedDocument = z.output<typeof federated>;
export type EndpointDocument = z.output<typeof endpoint>;

export const trust = mapping({
  bundles: byTrustDomain(filePath(), 'a mapping of trust domains to files', 'bundles').optional(),
  federation: byTrustDomain(
    federated,
    'a mapping of trust domains to where their bundles are fetched',
    'federation',
  ).optional(),
  endpoint: endpoint.optional(),
});
