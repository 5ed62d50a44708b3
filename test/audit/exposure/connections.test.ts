import { describe, expect, it } from 'vitest';
import { exposureRules } from '../../../src/audit/exposure/exposure-rules.ts';
import { linesOf as linesOfRules } from '../credentials/verdicts.ts';
import { exposureLines, pod, POD, service, SERVICE } from './exposure-lines.ts';

const LB = ', type: LoadBalancer';

function linesOf(rule: string, documents: readonly string[], inventory = {}): readonly string[] {
  return linesOfRules(rule, documents.join('\n---\n'), { rules: exposureRules, inventory });
}

describe('load balancers', () => {
  it('S20 leads from a load balancer to the pods behind, and the port that they have', () => {
    expect(exposureLines(POD, service('api', LB))).toEqual([
      'load-balancer anybody tls=unknown ml/api[Service] > ml/api[Pod] TCP 8080',
    ]);
    expect(linesOf('exposure-load-balancer', [POD, service('api', LB)])).toEqual(['fail high ml/api[Service]']);
    expect(linesOf('exposure-load-balancer', [POD, SERVICE])).toEqual(['pass ml/api[Service]']);
  });

  it.each<[string, string]>([
    ['AWS', 'service.beta.kubernetes.io/aws-load-balancer-scheme: internal'],
    ['AWS, as it was', 'service.beta.kubernetes.io/aws-load-balancer-internal: "0.0.0.0/0"'],
    ['AWS, whose controller makes them so', 'service.beta.kubernetes.io/aws-load-balancer-type: external'],
    ['Google', 'networking.gke.io/load-balancer-type: Internal'],
    ['Google, as it was', 'cloud.google.com/load-balancer-type: Internal'],
    ['Azure', 'service.beta.kubernetes.io/azure-load-balancer-internal: "true"'],
    ['OpenStack', 'service.beta.kubernetes.io/openstack-internal-load-balancer: "true"'],
    ['Alibaba', 'service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type: intranet'],
    ['Oracle', 'service.beta.kubernetes.io/oci-load-balancer-internal: "true"'],
    ['IBM', 'service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type: private'],
  ])('S20 tells an internal one of %s apart', (_cloud, annotation) => {
    const text = [POD, service('api', LB, `, annotations: { ${annotation} }`)];
    expect(exposureLines(...text)[0]).toMatch(/^load-balancer private /);
    expect(linesOf('exposure-load-balancer', text)).toEqual(['pass ml/api[Service]']);
  });

  it.each<[string]>([
    ['service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing'],
    ['service.beta.kubernetes.io/aws-load-balancer-internal: "false"'],
    ['service.beta.kubernetes.io/azure-load-balancer-internal: "false"'],
    ['networking.gke.io/load-balancer-type: External'],
    ['example.com/internal: "true"'],
  ])('S20 takes %s for none', (annotation) => {
    expect(exposureLines(POD, service('api', LB, `, annotations: { ${annotation} }`))[0]).toMatch(
      /^load-balancer anybody /,
    );
  });

  it.each<[string, string, string]>([
    [', loadBalancerSourceRanges: [192.0.2.0/24]', 'listed', 'fail low'],
    [', loadBalancerSourceRanges: [192.0.2.0/24, 0.0.0.0/0]', 'anybody', 'fail high'],
    [', loadBalancerSourceRanges: [0.0.0.0/1, 128.0.0.0/1]', 'anybody', 'fail high'],
    [', loadBalancerSourceRanges: ["::/0"]', 'anybody', 'fail high'],
    [', loadBalancerSourceRanges: []', 'anybody', 'fail high'],
    [', loadBalancerIP: 10.1.2.3', 'private', 'pass'],
    [', loadBalancerIP: 192.0.2.3', 'anybody', 'fail high'],
    [', loadBalancerClass: tailscale', 'private', 'pass'],
    [', loadBalancerClass: service.k8s.aws/nlb', 'private', 'pass'],
  ])('S20 heeds%s: %s', (spec, reach, verdict) => {
    const text = [POD, service('api', LB + spec)];
    expect(exposureLines(...text)[0]).toMatch(new RegExp(`^load-balancer ${reach} `));
    expect(linesOf('exposure-load-balancer', text)).toEqual([`${verdict} ml/api[Service]`]);
  });

  it('S20 goes by the address that it got', () => {
    const at = (ip: string): readonly string[] =>
      exposureLines(POD, `${service('api', LB)}status: { loadBalancer: { ingress: [{ ip: "${ip}" }] } }\n`);
    expect(at('10.0.0.7')[0]).toMatch(/^load-balancer private /);
    expect(at('172.31.0.1')[0]).toMatch(/^load-balancer private /);
    expect(at('172.32.0.1')[0]).toMatch(/^load-balancer anybody /);
    expect(at('fd00::1')[0]).toMatch(/^load-balancer private /);
    expect(at('2001:db8::1')[0]).toMatch(/^load-balancer anybody /);
  });

  it('takes the one before an ingress controller for the door that it is', () => {
    const controller = pod('api').replace('image: "api:1"', 'image: registry.k8s.io/ingress-nginx/controller:v1.12');
    expect(linesOf('exposure-load-balancer', [controller, service('api', LB)])).toEqual(['fail low ml/api[Service]']);
  });
});

describe('node ports, external addresses and ports of nodes', () => {
  it('S20 finds a port of every node', () => {
    const text = [POD, service('api', ', type: NodePort')];
    expect(exposureLines(...text)).toEqual(['node-port node tls=unknown ml/api[Service] > ml/api[Pod] TCP 8080']);
    expect(linesOf('exposure-node-port', text)).toEqual(['fail medium ml/api[Service]']);
  });

  it('S20 finds external addresses, of whatever type the Service is', () => {
    const text = [POD, service('api', ', externalIPs: [192.0.2.9]')];
    expect(exposureLines(...text)).toEqual(['external-ip anybody tls=unknown ml/api[Service] > ml/api[Pod] TCP 8080']);
    expect(linesOf('exposure-external-ip', text)).toEqual(['fail high ml/api[Service]']);
    expect(linesOf('exposure-external-ip', [POD, service('api', ', externalIPs: [10.0.0.9]')])).toEqual([
      'pass ml/api[Service]',
    ]);
  });

  it('S20 finds hostPort and ports on the network of the node', () => {
    const withHostPort = POD.replace('containerPort: 8080', 'containerPort: 8080, hostPort: 80');
    expect(exposureLines(withHostPort)).toEqual(['host-port node tls=unknown container main > ml/api[Pod] TCP 8080']);
    expect(linesOf('exposure-host-port', [withHostPort])).toEqual(['fail medium ml/api[Pod]']);
    expect(linesOf('exposure-host-port', [pod('api', ', hostNetwork: true')])).toEqual(['fail medium ml/api[Pod]']);
    expect(linesOf('exposure-host-port', [POD])).toEqual(['pass ml/api[Pod]']);
  });

  it('passes a port of the node that only the node reaches', () => {
    const local = POD.replace('containerPort: 8080', 'containerPort: 8080, hostPort: 80, hostIP: 127.0.0.1');
    expect(linesOf('exposure-host-port', [local])).toEqual(['pass ml/api[Pod]']);
  });
});

describe('what cannot be seen', () => {
  it('S6 does not take Services that it may not read for none', () => {
    const forbidden = {
      what: 'services',
      kind: 'Service',
      namespace: null,
      reason: 'forbidden',
      detail: '403',
      position: null,
    };
    for (const rule of ['exposure-load-balancer', 'exposure-node-port', 'exposure-external-ip']) {
      expect(linesOf(rule, [POD], { unreadable: [forbidden] })).toEqual(['unknown forbidden cluster[Cluster]']);
      expect(linesOf(rule, [POD])).toEqual(['unknown not-given cluster[Cluster]']);
      expect(linesOf(rule, [POD], { completeKinds: new Set(['Service', 'Pod']) })).toEqual([]);
    }
  });

  it('tells of a Service that leads to nothing that was given', () => {
    expect(exposureLines(service('api', LB))).toEqual([
      'load-balancer anybody tls=unknown ml/api[Service] > nothing TCP ?',
    ]);
    expect(linesOf('exposure-load-balancer', [service('api', LB)])).toEqual(['fail high ml/api[Service]']);
    const noSelector = service('api', LB).replace('selector: { app: api }, ', '');
    expect(exposureLines(POD, noSelector)).toEqual([
      'load-balancer anybody tls=unknown ml/api[Service] > nothing TCP ?',
    ]);
  });

  it('does not follow a Service into another namespace, or to an external name', () => {
    expect(exposureLines(pod('api', '', 'other'), service('api', LB))[0]).toContain('> nothing');
    expect(exposureLines(POD, service('api', ', type: ExternalName, externalName: x.example'))).toEqual([]);
  });

  it('does not know the number of a named port that no container has', () => {
    const text = service('api', LB).replace('targetPort: http', 'targetPort: grpc');
    expect(exposureLines(POD, text)).toEqual(['load-balancer anybody tls=unknown ml/api[Service] > ml/api[Pod] TCP ?']);
  });

  it('reads a broken Service without breaking', () => {
    const broken =
      'apiVersion: v1\nkind: Service\nmetadata: { name: s, namespace: ml }\nspec: { type: LoadBalancer, selector: [a], ports: null }\n';
    expect(exposureLines(broken)).toEqual(['load-balancer anybody tls=unknown ml/s[Service] > nothing TCP ?']);
    const worse = 'apiVersion: v1\nkind: Service\nmetadata: { name: s, namespace: ml }\nspec: 7\n';
    expect(linesOf('exposure-load-balancer', [worse])).toEqual(['unknown malformed ml/s[Service]']);
  });
});
