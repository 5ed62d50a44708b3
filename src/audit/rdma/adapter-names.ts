// Names of resources, networks and device classes that stand for network adapters.
// Device plugins take their names from whoever sets them up; what is in common use is a vendor and a few words.

import type { Transport } from './transport.ts';

/** Whole words, since letters of `rdma` stand side by side in `hardmax` and those of `ib` in `shared-lib`. */
const WORDS: readonly (readonly [RegExp, Transport])[] = [
  [/^(?:infiniband\d*|ib\d*|(?:res)?ib[ps]\d\w*|ipoib\w*|mlnxib|\w*ib-?sriov\w*)$/, 'infiniband'],
  [/^(?:roce(?:v?\d)?|bnxtre)$/, 'roce'],
  [/^efas?$/, 'efa'],
  [/^(?:cxi\d*|slingshot\d*)$/, 'slingshot'],
  [/^(?:hfi\d*|omnipath|opx)$/, 'omni-path'],
  [/^(?:[eim]?rdma\w*|(?:sriov|ib|roce|mlx\d?|mlnx|nic|vf|gpu|eth|net|shared|cx\d|hostdev)rdma\d*)$/, 'rdma'],
  [/^(?:hcas?\d*|u?verbs\d*|mlnx\w*|mlx\d\w*|mellanox\w*|connectx\w*|cx[4-9](?:dx|lx)?|bnxt|iwarp)$/, 'rdma'],
  [/sriov/, 'sr-iov'],
];

/** Of vendors whose device plugins hand out adapters, these words alone are enough. */
const ADAPTER_VENDORS =
  /(?:^|\.)(?:nvidia\.com|mellanox\.com|amd\.com|intel\.com|openshift\.io|broadcom\.com|pensando\.io)$/;
const VENDOR_WORDS: readonly (readonly [RegExp, Transport])[] = [
  [/^(?:v?nics?|hostdev\w*|pfs?|fastnic\w*)$/, 'adapter'],
  [/^vfs?\d*$/, 'sr-iov'],
];
const RDMA_PLUGINS = new Set(['rdma', 'erdma']);

/** Null for what is no adapter as far as a name can tell. */
export function transportOfName(name: string): Transport | null {
  return transportOf(wordsOf(name), WORDS);
}

/** An extended resource: `rdma/hca_shared_devices_a`, `vpc.amazonaws.com/efa`. */
export function transportOfResource(resource: string): Transport | null {
  const slash = resource.indexOf('/');
  if (slash < 0) return null;
  const domain = resource.slice(0, slash).toLowerCase();
  const words = wordsOf(resource.slice(slash + 1));
  const named = transportOf(words, WORDS);
  if (named !== null) return named;
  if (RDMA_PLUGINS.has(domain)) return 'rdma';
  // NICs of AMD's network operator do RoCE.
  if (/(?:^|\.)amd\.com$/.test(domain) && words.some((word) => /^v?nics?$/.test(word))) return 'roce';
  return ADAPTER_VENDORS.test(domain) ? transportOf(words, VENDOR_WORDS) : null;
}

function transportOf(words: readonly string[], table: readonly (readonly [RegExp, Transport])[]): Transport | null {
  const [, transport = null] = table.find(([pattern]) => words.some((word) => pattern.test(word))) ?? [];
  return transport;
}

/** Also joined by `camelCase`. */
function wordsOf(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
}
