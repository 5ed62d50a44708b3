// Services behind Sallyport that can be reached without passing it, and Sallyports that let everybody pass.

import type { Cluster } from '../../cluster.ts';
import {
  refToObject,
  refToWorkload,
  type AuditContext,
  type Remediation,
  type Rule,
  type Verdict,
} from '../../finding.ts';
import { failed, passed, unknown, type FailureAccount } from '../../verdict.ts';
import type { Container, Workload } from '../../workload.ts';
import { findListenAddress } from '../listen-address.ts';
import { meshOf, type Mesh } from '../mesh.ts';
import { isIstioProxyImage, isLinkerdProxyImage } from '../proxy-container.ts';
import type { Sallyport } from '../sallyport.ts';
import type { SallyportConfig } from '../sallyport-config.ts';
import type { ServedPort } from '../served-ports.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';

export const SALLYPORT_BYPASS: Rule = {
  info: meshRuleInfo({
    id: 'mesh-sallyport-bypass',
    title: 'A service can be reached around Sallyport',
    severity: 'high',
    check: null,
    help: `Sallyport decides only about what passes through it. A service behind it that listens on the address of its pod, whose port a Service leads to, or that shares the network of its node answers to whoever asks it directly.

Looked at are the network of the pod, Sallyport's upstreams, the ports that other containers declare and that Services lead to, probes of the kubelet, and addresses in arguments and environment. Where they do not tell for each upstream that it is on loopback, or tell two things, the verdict is unknown; so it is where a shell is started, or where another container of the pod could pass on what it is asked.

**Fix:** let the service listen on 127.0.0.1, declare no port for it, have its probes run inside of the container, and let Services lead to Sallyport's port only.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    for (const workload of cluster.workloads) {
      const sallyport = mesh.sallyportOf(workload);
      if (sallyport !== null) yield* judge(mesh, workload, sallyport);
    }
  },
};

export const SALLYPORT_SHADOW: Rule = {
  info: meshRuleInfo({
    id: 'mesh-sallyport-shadow',
    title: 'Sallyport forwards what it would deny',
    severity: 'medium',
    subject: 'object',
    tenets: ['T4', 'T6'],
    check: null,
    help: `With \`policy: { mode: shadow }\` Sallyport records what the access matrix denies, and forwards it. That is how to begin; as long as it stands, the matrix holds nothing.

**Fix:** \`mode: enforce\`, once the decision log shows no denials that should not be.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    const configs = new Set(cluster.workloads.map((workload) => mesh.sallyportOf(workload)?.config));
    const seen = new Set<unknown>();
    for (const config of configs) {
      if (config?.kind !== 'read' || seen.has(config.object)) continue;
      seen.add(config.object);
      yield judgeMode(config);
    }
  },
};

type ReadConfig = Extract<SallyportConfig, { readonly kind: 'read' }>;

function judgeMode({ object, mode }: ReadConfig): Verdict {
  const resource = refToObject(object);
  const at = ['data'];
  if (mode === 'enforce') return passed(resource, at, 'the access matrix is enforced');
  return failed(resource, {
    at,
    detail: 'mode shadow: what the access matrix denies is forwarded',
    evidence: { mode },
    remediation: { text: 'Set policy.mode: enforce.', patch: null, manifest: null },
  });
}

function* judge(mesh: Mesh, workload: Workload, sallyport: Sallyport): Iterable<Verdict> {
  const { container, config } = sallyport;
  const resource = refToWorkload(workload, container);
  if (config.kind === 'unknown') {
    const detail = `what Sallyport stands in front of is not known: ${config.reason}`;
    yield unknown(resource, { at: container.path, reason: 'not-given', detail });
    return;
  }
  const ways = findWays(mesh, workload, { container, config });
  for (const way of ways) yield failed(refToWorkload(workload, way.container), way.account);
  if (ways.length > 0) return;
  const unproven = findUnproven(workload, container, config);
  if (unproven.length > 0) {
    const ports = unproven.map(({ port }) => port);
    const why = [...new Set(unproven.map((each) => each.why))].join('; ');
    const detail = `whether port ${ports.join(', ')} behind Sallyport can be reached on loopback only is not known: ${why}`;
    yield unknown(resource, { at: container.path, reason: 'listen-address', detail, evidence: { ports } });
    return;
  }
  yield passed(resource, container.path, 'the only way to the service is through Sallyport');
}

interface Way {
  readonly container: Container | null;
  readonly account: FailureAccount;
}

interface Front {
  readonly container: Container;
  readonly config: ReadConfig;
}

/** All ways around Sallyport that the manifest shows. */
function findWays(mesh: Mesh, workload: Workload, front: Front): readonly Way[] {
  const { container, config } = front;
  const ways: Way[] = [];
  if (workload.isHostNetwork) {
    const detail =
      'in the network of its node: loopback is that of the node, where every process of it finds the service';
    const remediation = remedy('Take hostNetwork away.');
    ways.push({ container, account: { at: [...workload.podPath, 'hostNetwork'], detail, evidence: {}, remediation } });
  }
  for (const { name, upstreams } of config.listeners) {
    for (const upstream of upstreams) {
      if (upstream.kind === 'local') continue;
      const detail = `listener ${name} forwards to ${upstream.text}, which others can ask as well`;
      const remediation = remedy('Put Sallyport into the pod of the service, and let the upstream be 127.0.0.1.');
      const evidence = { listener: name, upstream: upstream.text };
      ways.push({
        container,
        account: { at: container.path, detail, evidence, remediation, key: `${name} ${upstream.text}` },
      });
    }
  }
  for (const port of mesh.portsOf(workload)) ways.push(...findWayAt(port, front));
  return [...ways, ...findListeners(workload, front)];
}

/** By a port that is declared, or that a Service leads to, and that is not Sallyport's. */
function findWayAt(served: ServedPort, { container, config }: Front): readonly Way[] {
  const { number, protocol, at, services } = served;
  const isOwn = config.probesPort === number || config.listeners.some(({ port }) => port === number);
  const isOurs = served.container?.path.join('/') === container.path.join('/');
  if (protocol !== 'TCP' || isOwn || isOurs) return [];
  const isUpstream = localPorts(config).includes(number);
  const names = services.map(({ name }) => name);
  const how =
    names.length > 0
      ? `Service ${names.join(', ')} leads to port ${number}`
      : `container ${served.container?.name ?? ''} declares port ${number}`;
  const what = isUpstream ? 'the service that Sallyport stands in front of' : 'not a port of Sallyport';
  return [
    {
      container: served.container,
      account: {
        at,
        detail: `${how}, ${what}`,
        evidence: { port: number, services: names },
        remediation: remedy('Let Services lead to the port of Sallyport, and the service listen on 127.0.0.1.'),
        key: String(number),
        ...(isUpstream ? {} : { severity: 'medium' as const }),
      },
    },
  ];
}

/** By a service that listens on the address of the pod, whether or not it declares the port. */
function findListeners(workload: Workload, { container, config }: Front): readonly Way[] {
  return localPorts(config).flatMap((port) =>
    othersIn(workload, container).flatMap((other): readonly Way[] => {
      const address = findListenAddress(other, port);
      const isDeclared = other.ports.some(({ number }) => number === port);
      if (address.kind !== 'pod' || isDeclared) return [];
      const detail = `container ${other.name} listens on the address of the pod: ${address.evidence}`;
      const remediation = remedy('Let the service listen on 127.0.0.1, and its probes run inside of the container.');
      return [
        { container: other, account: { at: other.path, detail, evidence: { port }, remediation, key: `${port}` } },
      ];
    }),
  );
}

export interface WayAround {
  /** On which the service behind Sallyport can be asked directly, or perhaps can. */
  readonly port: number;
  readonly isCertain: boolean;
  readonly detail: string;
}

/** Beside the ports that a container declares or a Service leads to. */
export function findWaysAround(workload: Workload, { container, config }: Sallyport): readonly WayAround[] {
  if (config.kind === 'unknown') return [];
  const certain = findListeners(workload, { container, config }).flatMap(({ account }): readonly WayAround[] => {
    const { port } = account.evidence;
    return typeof port === 'number' ? [{ port, isCertain: true, detail: account.detail }] : [];
  });
  const unproven = findUnproven(workload, container, config)
    .filter(({ port }) => certain.every((way) => way.port !== port))
    .map(({ port, why }) => ({ port, isCertain: false, detail: why }));
  return [...certain, ...unproven];
}

interface Unproven {
  readonly port: number;
  readonly why: string;
}

/**
 * Ports of upstreams of which it is not said that loopback alone leads there: somebody has to listen on it for certain, and nobody else may be in the
 * pod who could pass on what comes to him. Proxies of a mesh pass on what comes to the address of the pod, to that address.
 */
function findUnproven(workload: Workload, container: Container, config: ReadConfig): readonly Unproven[] {
  const others = othersIn(workload, container).filter((other) => !isMeshProxy(other));
  const ports = localPorts(config);
  return ports.flatMap((port): readonly Unproven[] => {
    const unproven = (why: string): readonly Unproven[] => [{ port, why }];
    const said = others.map((other) => findListenAddress(other, port));
    const doubt = said.find((address) => address.kind === 'unknown')?.why;
    const proofs = said.filter((address) => address.kind === 'loopback');
    if (proofs.length === 0) return unproven(doubt ?? `no container says that it listens on port ${port}`);
    // Without a port, the address may be that of another of them.
    const isProved = proofs.some(({ isPortSaid }) => isPortSaid) || (ports.length === 1 && proofs.length === 1);
    if (!isProved) return unproven(`which of the ports ${ports.join(', ')} is on loopback is not said`);
    const relay = others.find((other) => isPossibleRelay(other, ports));
    return relay === undefined ? [] : unproven(`container ${relay.name} may pass on to it what others ask of it`);
  });
}

/** Everybody in a pod reaches its loopback. */
function isPossibleRelay(container: Container, ports: readonly number[]): boolean {
  return ports.every((port) => findListenAddress(container, port).kind !== 'loopback');
}

function isMeshProxy({ name, image }: Container): boolean {
  const isIstio = name === 'istio-proxy' && isIstioProxyImage(image, null);
  return isIstio || (name === 'linkerd-proxy' && isLinkerdProxyImage(image));
}

function othersIn({ containers }: Workload, container: Container): readonly Container[] {
  return containers.filter((other) => other !== container && (other.kind === 'main' || other.kind === 'sidecar'));
}

function localPorts({ listeners }: ReadConfig): readonly number[] {
  const ports = listeners.flatMap(({ upstreams }) =>
    upstreams.flatMap((upstream) => (upstream.kind === 'local' && upstream.port !== null ? upstream.port : [])),
  );
  return [...new Set(ports)];
}

function remedy(text: string): Remediation {
  return { text, patch: null, manifest: null };
}
