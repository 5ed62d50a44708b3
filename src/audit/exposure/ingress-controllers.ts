// What answers for an Ingress, and who gets there.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Workload } from '../workload.ts';
import { reachOfWorkloads } from './direct.ts';
import type { Reach } from './exposure.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

interface ControllerTrait {
  /** `spec.controller` of its IngressClass. */
  readonly controller: RegExp;
  readonly classes: RegExp;
  /** Of the images it runs from; null for one outside of the cluster. */
  readonly image: RegExp | null;
}

const CONTROLLERS: readonly ControllerTrait[] = [
  {
    controller: /^k8s\.io\/.*nginx/,
    classes: /nginx/,
    image: /ingress-nginx\/controller|nginx-ingress-controller|ingress-nginx-controller/,
  },
  { controller: /^nginx\.org\//, classes: /^nginx/, image: /nginx(?:-plus)?-ingress/ },
  { controller: /^traefik\.io\//, classes: /traefik/, image: /(?:^|\/)traefik(?::|@|$)/ },
  { controller: /haproxy/, classes: /haproxy/, image: /haproxy-ingress|haproxytech\/kubernetes-ingress/ },
  { controller: /konghq\.com/, classes: /kong/, image: /(?:^|\/)kong(?:\/|:|@|-gateway|$)/ },
  { controller: /projectcontour\.io/, classes: /contour/, image: /(?:^|\/)(?:envoy|contour)(?::|@|$)/ },
  { controller: /istio\.io\//, classes: /istio/, image: /proxyv2/ },
  { controller: /^ingress\.k8s\.aws\/alb$/, classes: /^alb$/, image: null },
];

/** Who gets to an Ingress, before its own list of sources. */
export function reachOfIngress(cluster: Cluster, ingress: KubeObject): Reach {
  const ingressClass = classOf(cluster, ingress);
  const controller = ingressClass.controller ?? '';
  const name = ingressClass.name ?? '';
  const why = internalClass(name, ingress);
  if (why !== null) return { kind: 'private', why };
  if (controller === ALB || name === 'alb') return reachOfAlb(cluster, ingress, ingressClass.object);
  const trait = CONTROLLERS.find((one) =>
    controller === '' ? one.classes.test(name) : one.controller.test(controller),
  );
  const workloads = trait === undefined ? [] : controllersOf(cluster, trait, { name, controller });
  const reach = workloads.length === 0 ? null : reachOfWorkloads(cluster, workloads);
  if (reach !== null) return reach;
  const shown = name === '' ? 'the default class' : `class ${name}`;
  return {
    kind: 'anybody',
    isPresumed: true,
    why: `an Ingress of ${shown}, whose controller is not among the objects`,
  };
}

const ALB = 'ingress.k8s.aws/alb';

interface ClassReading {
  readonly name: string | null;
  readonly controller: string | null;
  readonly object: KubeObject | null;
}

function classOf(cluster: Cluster, ingress: KubeObject): ClassReading {
  const classes = cluster.byKind('networking.k8s.io', 'IngressClass');
  const named =
    cluster.field(ingress, 'spec', 'ingressClassName').asText() ?? ingress.annotations.get(CLASS_ANNOTATION);
  const object =
    named === undefined
      ? (classes.find(({ annotations }) => annotations.get(DEFAULT_ANNOTATION) === 'true') ?? null)
      : (classes.find(({ name }) => name === named) ?? null);
  const controller = object === null ? null : cluster.field(object, 'spec', 'controller').asText();
  return { name: named ?? object?.name ?? null, controller, object };
}

function internalClass(name: string, { annotations }: KubeObject): string | null {
  if (name === 'gce-internal') return 'class gce-internal';
  if (name === 'tailscale' && annotations.get('tailscale.com/funnel') !== 'true') return 'class tailscale';
  if (annotations.get('appgw.ingress.kubernetes.io/use-private-ip') === 'true') {
    return 'appgw.ingress.kubernetes.io/use-private-ip: true';
  }
  return null;
}

const SCHEME = 'alb.ingress.kubernetes.io/scheme';

/** Internal unless told otherwise, by the parameters of the class before the Ingress. */
function reachOfAlb(cluster: Cluster, ingress: KubeObject, ingressClass: KubeObject | null): Reach {
  const parameters = ingressClass === null ? null : cluster.field(ingressClass, 'spec', 'parameters', 'name').asText();
  const object =
    parameters === null
      ? null
      : cluster.find('elbv2.k8s.aws', 'IngressClassParams', { namespace: null, name: parameters });
  const ofClass = object === null ? null : cluster.field(object, 'spec', 'scheme').asText();
  const scheme = ofClass ?? ingress.annotations.get(SCHEME) ?? null;
  if (parameters !== null && object === null && scheme === null) {
    const why = `IngressClassParams ${parameters}, which may make it face the internet, was not given`;
    return { kind: 'unknown', reason: 'not-given', why };
  }
  if (scheme === 'internet-facing') {
    return { kind: 'anybody', isPresumed: false, why: 'an application load balancer that faces the internet' };
  }
  return {
    kind: 'private',
    why: scheme === null ? 'application load balancers are internal by default' : `${SCHEME}: ${scheme}`,
  };
}

/** Of several with the same image, those that say they are of the class, or that say of none. */
function controllersOf(
  cluster: Cluster,
  { image }: ControllerTrait,
  { name, controller }: { readonly name: string; readonly controller: string },
): readonly Workload[] {
  if (image === null) return [];
  const all = cluster.workloads.filter(({ containers }) => containers.some((one) => image.test(one.image ?? '')));
  const classesOf = ({ containers }: Workload): readonly string[] =>
    containers
      .flatMap(({ field }) => [...field.get('command').asTexts(), ...field.get('args').asTexts()])
      .flatMap((word) => /^--?(?:ingress-class|controller-class|ingress-class-name)=(.+)$/.exec(word)?.[1] ?? []);
  const own = all.filter((workload) => classesOf(workload).some((one) => one === name || one === controller));
  return own.length > 0 ? own : all.filter((workload) => classesOf(workload).length === 0);
}
