// Rules about entries at the level of connections.

import type { Cluster } from '../../cluster.ts';
import { refToWorkload, type Rule, type Severity, type Verdict } from '../../finding.ts';
import { passed, unknown } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { exposedWorkloads } from '../exposed-workloads.ts';
import type { Exposure } from '../exposure.ts';
import { exposureRule, judgeEntries } from './exposure-rule.ts';

const SERVICES = [['', 'Service']] as const;

const LOAD_BALANCER = exposureRule({
  info: {
    id: 'exposure-load-balancer',
    title: 'A load balancer leads into the cluster',
    severity: 'high',
    help: `A Service of type \`LoadBalancer\` gets an address of its own. Internal ones are told apart: by the annotations of the clouds, by the class, and by the address that it got. \`loadBalancerSourceRanges\` limits who gets there. In front of an ingress controller or gateway it is where everybody comes in by intention, and what is behind is told by its routes.

**Fix:** an internal load balancer, or source ranges; else a gateway in front that asks who is there.`,
  },
  entry: 'load-balancer',
  kinds: SERVICES,
  isEssential: true,
  severityOf: severityOfConnection('high'),
  remedy: 'Make the load balancer internal by the annotation of your cloud, or set loadBalancerSourceRanges.',
  held: 'the Service has no load balancer',
});

const NODE_PORT = exposureRule({
  info: {
    id: 'exposure-node-port',
    title: 'A Service is on a port of every node',
    severity: 'medium',
    help: `A \`NodePort\` answers on every address of every node, the public ones too where nodes have any, past whatever gateway the cluster has.

**Fix:** \`type: ClusterIP\` behind a gateway.`,
  },
  entry: 'node-port',
  kinds: SERVICES,
  isEssential: true,
  severityOf: severityOfConnection('medium'),
  remedy: 'Make the Service one of type ClusterIP, behind a gateway.',
  held: 'the Service has no port of nodes',
});

const EXTERNAL_IP = exposureRule({
  info: {
    id: 'exposure-external-ip',
    title: 'A Service takes external addresses',
    severity: 'high',
    aliases: ['CVE-2020-8554'],
    help: `With \`externalIPs\` every node answers for addresses that whoever writes the Service chooses, also for such as belong to somebody else: pods that want to go there end here.

**Fix:** use a load balancer or gateway, and forbid \`externalIPs\` by the admission controller \`DenyServiceExternalIPs\`.`,
  },
  entry: 'external-ip',
  kinds: SERVICES,
  isEssential: true,
  severityOf: severityOfConnection('high'),
  remedy: 'Remove externalIPs; use a load balancer or a gateway.',
  held: 'the Service has no external addresses',
});

const HOST_PORT: Rule = {
  info: {
    id: 'exposure-host-port',
    title: 'A pod is on a port of its node',
    severity: 'medium',
    tenets: ['T1', 'T2'],
    aliases: ['CIS-5.2.13', 'C-0204', 'C-0044'],
    atlas: [],
    subject: 'workload',
    check: 'external-access',
    help: `A \`hostPort\`, or a port of a pod on the network of its node, answers at the node's addresses: past Services, gateways and mostly past network policies. Distributed training does it for its rendezvous, Ray for its dashboard.

**Fix:** a Service, headless for workers that have to find each other.`,
  },
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    const byWorkload = new Map<Workload, Exposure[]>();
    for (const exposure of exposedWorkloads(cluster)) {
      const { entry, workload } = exposure;
      if (entry !== 'host-port' || workload === null) continue;
      byWorkload.set(workload, [...(byWorkload.get(workload) ?? []), exposure]);
    }
    for (const workload of cluster.workloads) {
      const resource = refToWorkload(workload, null);
      const exposures = byWorkload.get(workload);
      if (exposures !== undefined) {
        const remedy = 'Remove hostPort, and hostNetwork; use a Service.';
        yield judgeEntries(resource, exposures, { severityOf: severityOfConnection('medium'), remedy });
      } else if (workload.isPartial === null) {
        yield passed(resource, workload.podPath, 'the pod has no port of its node');
      } else {
        const { podPath: at, isPartial: detail } = workload;
        yield unknown(resource, { at, reason: 'partial-template', detail });
      }
    }
  },
};

export const CONNECTION_RULES: readonly Rule[] = [LOAD_BALANCER, NODE_PORT, EXTERNAL_IP, HOST_PORT];

/** Gateways and proxies that are there to be reached. */
const FRONT_IMAGES =
  /ingress-nginx|nginx-ingress|(?:^|\/)(?:traefik|haproxy|kong|contour|envoy|proxyv2|istio-ingress|ambassador|apisix|emissary|gloo-envoy|kourier|openresty)(?::|@|\/|-|$)/;

function severityOfConnection(severity: Severity): (exposure: Exposure) => Severity {
  return ({ reach, authentication, workload }) => {
    const isFront = workload?.containers.some(({ image }) => FRONT_IMAGES.test(image ?? '')) ?? false;
    return reach.kind === 'listed' || authentication !== null || isFront ? 'low' : severity;
  };
}
