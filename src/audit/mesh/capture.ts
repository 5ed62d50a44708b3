// What of the traffic of a pod its mesh does not see, because somebody said so.
// https://istio.io/latest/docs/reference/config/annotations/

import type { Namespace } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { Path } from '../path.ts';
import type { Workload } from '../workload.ts';
import type { Carrier } from './carrier.ts';
import { readEmbeddedYaml } from './embedded-yaml.ts';
import type { IstioSettings } from './istio-settings.ts';
import { parsePortList, type PortSet } from './port-list.ts';

export interface Opening {
  readonly direction: 'inbound' | 'outbound';
  readonly ports: OpenPorts;
  /** The annotation or setting, with its value. */
  readonly setting: string;
  /** In the source of the workload; null when it is not the pod's own. */
  readonly at: Path | null;
}

export type OpenPorts =
  | { readonly kind: 'all' }
  | { readonly kind: 'listed'; readonly ports: PortSet }
  /** What is captured; everything else is not. */
  | { readonly kind: 'all-but'; readonly ports: PortSet }
  /** Addresses or interfaces; which ports that are is not known. */
  | { readonly kind: 'some' }
  /** The value is no list of ports. */
  | { readonly kind: 'malformed' };

const TRAFFIC = 'traffic.sidecar.istio.io/';
const BYPASS_INBOUND = 'ambient.istio.io/bypass-inbound-capture';
const INTERCEPTION = 'sidecar.istio.io/interceptionMode';
const SKIP_INBOUND = 'config.linkerd.io/skip-inbound-ports';
const SKIP_OUTBOUND = 'config.linkerd.io/skip-outbound-ports';

/** The openings of a workload that the mesh of `carrier` carries; none for one that nothing carries. */
export function findOpenings(
  workload: Workload,
  {
    carrier,
    namespace,
    settings,
  }: { readonly carrier: Carrier; readonly namespace: Namespace; readonly settings: IstioSettings },
): readonly Opening[] {
  switch (carrier.kind) {
    case 'istio-sidecar':
      return istioOpenings(workload, settings);
    case 'istio-ambient':
      return ambientOpenings(workload);
    case 'linkerd':
      return linkerdOpenings(workload, namespace);
    case 'unknown':
      return [
        ...istioOpenings(workload, settings),
        ...ambientOpenings(workload),
        ...linkerdOpenings(workload, namespace),
      ];
    case 'none':
      return [];
  }
}

/** Whether what arrives at a port is seen by the mesh. `port` is null for one that nobody declares. */
export function findInboundOpening(openings: readonly Opening[], port: number | null): Opening | null {
  const inbound = openings.filter(({ direction }) => direction === 'inbound');
  return (
    inbound.find(({ ports }) => isOpen(ports, port) === 'yes') ??
    inbound.find(({ ports }) => isOpen(ports, port) === 'unknown') ??
    null
  );
}

export function isOpen(ports: OpenPorts, port: number | null): 'yes' | 'no' | 'unknown' {
  switch (ports.kind) {
    case 'all':
      return 'yes';
    case 'listed':
      return port !== null && ports.ports.has(port) ? 'yes' : 'no';
    case 'all-but':
      return port !== null && ports.ports.has(port) ? 'no' : 'yes';
    case 'some':
    case 'malformed':
      return 'unknown';
  }
}

function istioOpenings(workload: Workload, settings: IstioSettings): readonly Opening[] {
  const read = settingReader(workload, settings);
  const openings: Opening[] = [];
  const mode = interceptionMode(workload, settings);
  if (mode?.mode === 'NONE') {
    openings.push({ direction: 'inbound', ports: { kind: 'all' }, setting: mode.setting, at: mode.at });
    openings.push({ direction: 'outbound', ports: { kind: 'all' }, setting: mode.setting, at: mode.at });
  }
  const included = read('includeInboundPorts');
  const excluded = read('excludeInboundPorts');
  if (included !== null && included.value.trim() !== '*') {
    openings.push({ direction: 'inbound', ports: allBut(included.value), setting: included.setting, at: included.at });
  } else if (excluded !== null && excluded.value.trim() !== '') {
    openings.push({ direction: 'inbound', ports: listed(excluded.value), setting: excluded.setting, at: excluded.at });
  }
  const interfaces = read('excludeInterfaces');
  if (interfaces !== null && interfaces.value.trim() !== '') {
    const { setting, at } = interfaces;
    openings.push({ direction: 'inbound', ports: { kind: 'some' }, setting, at });
    openings.push({ direction: 'outbound', ports: { kind: 'some' }, setting, at });
  }
  const outbound = read('excludeOutboundPorts');
  if (outbound !== null && outbound.value.trim() !== '') {
    openings.push({ direction: 'outbound', ports: listed(outbound.value), setting: outbound.setting, at: outbound.at });
  }
  openings.push(...reservedUserOpenings(workload));
  for (const name of ['excludeOutboundIPRanges', 'includeOutboundIPRanges']) {
    const ranges = read(name);
    const isOpening = name.startsWith('include') ? ranges?.value.trim() !== '*' : ranges?.value.trim() !== '';
    if (ranges === null || !isOpening) continue;
    openings.push({ direction: 'outbound', ports: { kind: 'some' }, setting: ranges.setting, at: ranges.at });
  }
  return openings;
}

/** Packets of the proxy's own user and group are not captured, so that whoever runs as these passes it by. */
const PROXY_ID = 1337;

function reservedUserOpenings({ containers, podSpec }: Workload): readonly Opening[] {
  const isProxyId = (field: Field): boolean =>
    ['runAsUser', 'runAsGroup'].some((key) => field.get('securityContext', key).asInteger() === PROXY_ID);
  const own = containers.filter(
    ({ name, field }) => name !== 'istio-proxy' && name !== 'istio-init' && isProxyId(field),
  );
  return [
    ...(isProxyId(podSpec) ? [{ field: podSpec, what: 'the pod' }] : []),
    ...own.map(({ name, field }) => ({ field, what: `container ${name}` })),
  ].map(({ field, what }) => ({
    direction: 'outbound',
    ports: { kind: 'all' },
    setting: `${what} runs as ${PROXY_ID}, the user of the proxy`,
    at: [...field.path, 'securityContext'],
  }));
}

interface Setting {
  readonly value: string;
  readonly setting: string;
  readonly at: Path | null;
}

/** The pod's annotation, else what the injector is set up with. */
function settingReader(workload: Workload, { injector }: IstioSettings): (name: string) => Setting | null {
  return (name) => {
    const annotation = `${TRAFFIC}${name}`;
    const own = workload.annotations.get(annotation);
    if (own !== undefined)
      return { value: own, setting: describe(annotation, own), at: annotationPath(workload, annotation) };
    const value = injector.proxyDefaults.get(annotation);
    if (value === undefined) return null;
    return { value, setting: `\`${name}: ${value}\` in the values of Istio's injector`, at: null };
  };
}

function interceptionMode(workload: Workload, settings: IstioSettings): (Setting & { readonly mode: string }) | null {
  const own = workload.annotations.get(INTERCEPTION);
  if (own !== undefined) {
    return { mode: own, value: own, setting: describe(INTERCEPTION, own), at: annotationPath(workload, INTERCEPTION) };
  }
  const proxyConfig = workload.annotations.get('proxy.istio.io/config');
  const embedded = proxyConfig === undefined ? null : readEmbeddedYaml(proxyConfig);
  const ofProxy = embedded?.kind === 'value' ? embedded.root.get('interceptionMode').asText() : null;
  if (ofProxy !== null) {
    const setting = `\`interceptionMode: ${ofProxy}\` in annotation \`proxy.istio.io/config\``;
    return { mode: ofProxy, value: ofProxy, setting, at: annotationPath(workload, 'proxy.istio.io/config') };
  }
  const mode = settings.interceptionMode;
  if (mode === null) return null;
  return { mode, value: mode, setting: `\`interceptionMode: ${mode}\` in the mesh configuration`, at: null };
}

/** As Go's strconv.ParseBool has it. */
const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);

function ambientOpenings(workload: Workload): readonly Opening[] {
  const value = workload.annotations.get(BYPASS_INBOUND);
  if (value === undefined || !TRUE.has(value)) return [];
  const at = annotationPath(workload, BYPASS_INBOUND);
  return [{ direction: 'inbound', ports: { kind: 'all' }, setting: describe(BYPASS_INBOUND, value), at }];
}

function linkerdOpenings(workload: Workload, namespace: Namespace): readonly Opening[] {
  return [
    { annotation: SKIP_INBOUND, direction: 'inbound' as const },
    { annotation: SKIP_OUTBOUND, direction: 'outbound' as const },
  ].flatMap(({ annotation, direction }): readonly Opening[] => {
    const own = workload.annotations.get(annotation);
    const value = own ?? namespace.annotations.get(annotation);
    if (value === undefined || value.trim() === '') return [];
    const setting =
      own === undefined ? `${describe(annotation, value)} of namespace ${namespace.name}` : describe(annotation, value);
    return [
      { direction, ports: listed(value), setting, at: own === undefined ? null : annotationPath(workload, annotation) },
    ];
  });
}

function listed(value: string): OpenPorts {
  const ports = parsePortList(value);
  return ports === null ? { kind: 'malformed' } : { kind: 'listed', ports };
}

function allBut(value: string): OpenPorts {
  const ports = parsePortList(value);
  return ports === null ? { kind: 'malformed' } : { kind: 'all-but', ports };
}

function describe(annotation: string, value: string): string {
  return `annotation \`${annotation}: ${value}\``;
}

/** Annotations of a pod template stand beside its spec. */
export function annotationPath({ podPath }: Workload, annotation: string): Path {
  return [...podPath.slice(0, -1), 'metadata', 'annotations', annotation];
}
