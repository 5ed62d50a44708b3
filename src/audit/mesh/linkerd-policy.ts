// Whom Linkerd's policy lets through to a port of a workload. Linkerd has no modes of mutual TLS: a port requires it when nobody gets through
// without.
// https://linkerd.io/2/reference/authorization-policy/

import type { Cluster, Namespace } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { compileSelector, matchLabels, type Selector } from '../selector.ts';
import type { Workload } from '../workload.ts';
import type { CallerIdentity } from './caller.ts';
import { readEmbeddedYaml } from './embedded-yaml.ts';
import { every, some, type Match } from './match.ts';
import { parsePortList } from './port-list.ts';

export interface LinkerdAsked {
  readonly caller: CallerIdentity;
  readonly port: number | null;
  /** `somewhere`: from whatever address is let through, if any is. */
  readonly address: 'somewhere' | 'unknown';
}

export interface LinkerdAnswer {
  readonly match: Match;
  readonly source: string;
  /** What said so; null for a default policy. */
  readonly object: KubeObject | null;
}

interface Server {
  readonly object: KubeObject;
  readonly selector: Selector;
  readonly port: number | string | null;
  readonly accessPolicy: string;
}

interface Authorization {
  readonly object: KubeObject;
  /** Of a Server, of all Servers of the namespace, or of a route and so of some requests only. */
  readonly target: { readonly kind: 'server' | 'namespace' | 'route'; readonly name: string };
  readonly matchCaller: (asked: LinkerdAsked) => Match;
}

const GROUP = 'policy.linkerd.io';
const ROUTES = [
  [GROUP, 'HTTPRoute'],
  ['gateway.networking.k8s.io', 'HTTPRoute'],
  ['gateway.networking.k8s.io', 'GRPCRoute'],
] as const;
const DEFAULT_INBOUND_POLICY = 'config.linkerd.io/default-inbound-policy';
const REQUIRE_IDENTITY = 'config.linkerd.io/proxy-require-identity-inbound-ports';

export class LinkerdPolicies {
  readonly #cluster: Cluster;
  readonly #clusterDefault: string | null;
  readonly #servers = new Map<string, Server[]>();
  readonly #authorizations = new Map<string, Authorization[]>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#clusterDefault = readClusterDefault(cluster);
    for (const object of cluster.byKind(GROUP, 'Server')) {
      const spec = cluster.field(object, 'spec');
      push(this.#servers, object.namespace ?? '', {
        object,
        selector: compileSelector(spec.get('podSelector')),
        port: spec.get('port').asIntegerOrText(),
        accessPolicy: spec.get('accessPolicy').asText() ?? 'deny',
      });
    }
    for (const object of cluster.byKind(GROUP, 'AuthorizationPolicy')) {
      push(this.#authorizations, object.namespace ?? '', this.#readAuthorizationPolicy(object));
    }
    for (const object of cluster.byKind(GROUP, 'ServerAuthorization')) {
      for (const authorization of this.#readServerAuthorization(object)) {
        push(this.#authorizations, object.namespace ?? '', authorization);
      }
    }
  }

  answer(workload: Workload, namespace: Namespace, asked: LinkerdAsked): LinkerdAnswer {
    const servers = (this.#servers.get(workload.namespace) ?? [])
      .map((server) => ({ server, match: matchServer(server, workload, asked.port) }))
      .filter(({ match }) => match !== 'no');
    const [first] = servers;
    if (first === undefined) return this.#answerByDefault(workload, namespace, asked);
    const answers = servers.map(({ server }) => this.#answerByServer(server, asked));
    const match = some(answers.map((answer) => answer.match));
    const { source, object } =
      answers.find((answer) => answer.match === match) ?? this.#answerByServer(first.server, asked);
    if (servers.some(({ match }) => match === 'yes')) return { match, source, object };
    // Whether the Server is for the workload is not known, so that the default policy may be in force.
    const byDefault = this.#answerByDefault(workload, namespace, asked);
    return { match: byDefault.match === match ? match : 'unknown', source, object };
  }

  #answerByServer(server: Server, asked: LinkerdAsked): LinkerdAnswer {
    const { namespace, name } = server.object;
    const authorizations = (this.#authorizations.get(namespace ?? '') ?? []).filter(({ target }) => {
      if (target.kind === 'server') return target.name === name;
      return target.kind === 'route' ? this.#isRouteOf(target.name, server) : target.name === namespace;
    });
    const matches = authorizations.map((authorization) => ({
      authorization,
      match: ofRequests(authorization, authorization.matchCaller(asked)),
    }));
    const match = some([...matches.map(({ match }) => match), matchDefault(server.accessPolicy, asked)]);
    const decisive = matches.find((entry) => entry.match === match)?.authorization.object;
    const source =
      match === 'no' || decisive === undefined
        ? `Server ${nameOf(server.object)}${match === 'no' ? '' : ` with accessPolicy ${server.accessPolicy}`}`
        : `${decisive.kind} ${nameOf(decisive)} for Server ${nameOf(server.object)}`;
    return { match, source, object: decisive ?? server.object };
  }

  #isRouteOf(route: string, server: Server): boolean {
    const { namespace, name } = server.object;
    return ROUTES.some(([group, kind]) => {
      const object = this.#cluster.find(group, kind, { namespace, name: route });
      const parents = object === null ? [] : this.#cluster.field(object, 'spec', 'parentRefs').asList();
      return parents.some((parent) => parent.get('kind').asText() === 'Server' && parent.get('name').asText() === name);
    });
  }

  #answerByDefault(workload: Workload, namespace: Namespace, asked: LinkerdAsked): LinkerdAnswer {
    const required = workload.annotations.get(REQUIRE_IDENTITY) ?? namespace.annotations.get(REQUIRE_IDENTITY);
    if (asked.port !== null && required !== undefined && parsePortList(required)?.has(asked.port) === true) {
      const source = `annotation \`${REQUIRE_IDENTITY}: ${required}\``;
      return { match: matchDefault('all-authenticated', asked), source, object: null };
    }
    const own = workload.annotations.get(DEFAULT_INBOUND_POLICY);
    const ofNamespace = namespace.annotations.get(DEFAULT_INBOUND_POLICY);
    const policy = own ?? ofNamespace ?? this.#clusterDefault ?? 'all-unauthenticated';
    const places: readonly (readonly [string | null | undefined, string])[] = [
      [own, 'of the pod'],
      [ofNamespace, `of namespace ${namespace.name}`],
      [this.#clusterDefault, "of Linkerd's configuration"],
    ];
    const place = places.find(([value]) => typeof value === 'string')?.[1] ?? 'as Linkerd has it when nothing is said';
    return { match: matchDefault(policy, asked), source: `default inbound policy ${policy} ${place}`, object: null };
  }

  #readAuthorizationPolicy(object: KubeObject): Authorization {
    const spec = this.#cluster.field(object, 'spec');
    const target = spec.get('targetRef');
    const kind = target.get('kind').asText();
    const references = spec.get('requiredAuthenticationRefs').asList();
    const requirements = references.map((reference) => this.#readRequirement(reference, object));
    return {
      object,
      target: {
        kind: kind === 'Server' ? 'server' : kind === 'Namespace' ? 'namespace' : 'route',
        name: target.get('name').asText() ?? '',
      },
      // Without requirements everybody gets through.
      matchCaller: (asked) => every(requirements.map((requirement) => requirement(asked))),
    };
  }

  #readRequirement(reference: Field, policy: KubeObject): (asked: LinkerdAsked) => Match {
    const kind = reference.get('kind').asText();
    const name = reference.get('name').asText() ?? '';
    const namespace = reference.get('namespace').asText() ?? policy.namespace;
    if (kind === 'ServiceAccount') {
      return ({ caller }) => matchIdentity(caller, (proven) => isAccount(proven, { namespace, name }));
    }
    const object = kind === null ? null : this.#cluster.find(GROUP, kind, { namespace, name });
    if (object === null)
      return ({ caller }) => (kind === 'MeshTLSAuthentication' && caller.kind === 'none' ? 'no' : 'unknown');
    const spec = this.#cluster.field(object, 'spec');
    if (kind === 'MeshTLSAuthentication') {
      const identities = spec.get('identities').asTexts();
      const accounts = spec.get('identityRefs').asList();
      return ({ caller }) =>
        matchIdentity(
          caller,
          (proven) =>
            identities.some((identity) => isIdentity(identity, proven)) ||
            accounts.some((account) => isReferenced(account, proven, object.namespace)),
        );
    }
    if (kind === 'NetworkAuthentication') return networkMatch(spec.get('networks'));
    return () => 'unknown';
  }

  /** The older form. */
  #readServerAuthorization(object: KubeObject): readonly Authorization[] {
    const spec = this.#cluster.field(object, 'spec');
    const client = spec.get('client');
    const meshTls = client.get('meshTLS');
    const isOpen = client.get('unauthenticated').asBoolean() === true;
    const identities = meshTls.get('identities').asTexts();
    const accounts = meshTls.get('serviceAccounts').asList();
    const isAnyTls = meshTls.get('unauthenticatedTLS').asBoolean() === true;
    const ofNetwork = client.get('networks').isPresent ? networkMatch(client.get('networks')) : null;
    const matchCaller = (asked: LinkerdAsked): Match =>
      every([
        ofNetwork?.(asked) ?? 'yes',
        isOpen || isAnyTls
          ? 'yes'
          : matchIdentity(
              asked.caller,
              (proven) =>
                identities.some((identity) => isIdentity(identity, proven)) ||
                accounts.some((account) => isReferenced(account, proven, object.namespace)),
            ),
      ]);
    const server = spec.get('server');
    const name = server.get('name').asText();
    if (name !== null) return [{ object, target: { kind: 'server', name }, matchCaller }];
    const selector = compileSelector(server.get('selector'));
    return (this.#servers.get(object.namespace ?? '') ?? [])
      .filter(({ object: candidate }) => matchLabels(selector, candidate.labels) === 'yes')
      .map((candidate) => ({ object, target: { kind: 'server', name: candidate.object.name }, matchCaller }));
  }
}

function readClusterDefault(cluster: Cluster): string | null {
  const object = cluster.byKind('', 'ConfigMap').find(({ name }) => name === 'linkerd-config');
  const text = object === undefined ? null : cluster.field(object, 'data', 'values').asText();
  const values = text === null ? null : readEmbeddedYaml(text);
  return values?.kind === 'value' ? values.root.get('proxy', 'defaultInboundPolicy').asText() : null;
}

function matchServer({ selector, port }: Server, workload: Workload, asked: number | null): Match {
  const isPort =
    typeof port === 'string'
      ? workload.containers.some(({ ports }) => ports.some(({ name, number }) => name === port && number === asked))
      : port === asked;
  return isPort ? matchLabels(selector, workload.labels) : 'no';
}

function matchDefault(policy: string, { caller, address }: LinkerdAsked): Match {
  switch (policy) {
    case 'all-unauthenticated':
    case 'audit':
      return 'yes';
    case 'cluster-unauthenticated':
      return caller.kind === 'proven' || address === 'somewhere' ? 'yes' : 'unknown';
    case 'all-authenticated':
    case 'cluster-authenticated':
      return matchIdentity(caller, () => true);
    case 'deny':
      return 'no';
    default:
      return 'unknown';
  }
}

type Proven = Extract<CallerIdentity, { readonly kind: 'proven' }>;

function matchIdentity(caller: CallerIdentity, isMatch: (caller: Proven) => boolean): Match {
  if (caller.kind === 'unknown') return 'unknown';
  return caller.kind === 'proven' && isMatch(caller) ? 'yes' : 'no';
}

/** What is for a route lets some requests through at best. */
function ofRequests({ target }: Authorization, match: Match): Match {
  return target.kind === 'route' && match === 'yes' ? 'request' : match;
}

/** `account.namespace.serviceaccount.identity.linkerd.cluster.local`; a leading `*` for anything. The end names the control plane. */
function isIdentity(pattern: string, { namespace, serviceAccount }: Proven): boolean {
  const start = `${serviceAccount}.${namespace}.serviceaccount.identity.`;
  if (!pattern.startsWith('*')) return pattern.startsWith(start);
  const end = pattern.slice(1);
  const cut = end.indexOf('identity.');
  return cut < 0 || `${start}${end.slice(cut + 'identity.'.length)}`.endsWith(end);
}

function isReferenced(reference: Field, caller: Proven, ownNamespace: string | null): boolean {
  const name = reference.get('name').asText();
  if (reference.get('kind').asText() === 'Namespace') return name === caller.namespace;
  return isAccount(caller, { namespace: reference.get('namespace').asText() ?? ownNamespace, name });
}

function isAccount(
  caller: Proven,
  { namespace, name }: { readonly namespace: string | null; readonly name: string | null },
): boolean {
  return caller.namespace === namespace && caller.serviceAccount === name;
}

function networkMatch(networks: Field): (asked: LinkerdAsked) => Match {
  const blocks = new Set(networks.asList().map((network) => network.get('cidr').asText()));
  const isAnywhere = blocks.has('0.0.0.0/0') && blocks.has('::/0');
  return ({ address }) => (isAnywhere || address === 'somewhere' ? 'yes' : 'unknown');
}

function nameOf(object: KubeObject): string {
  return formatObject(object).replace(/\[[^\]]*\]$/, '');
}

function push<T>(groups: Map<string, T[]>, key: string, value: T): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}
