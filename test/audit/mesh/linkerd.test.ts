import { describe, expect, it } from 'vitest';
import type { Unreadable } from '../../../src/audit/inventory.ts';
import { authorize } from '../../../src/audit/mesh/admission.ts';
import { ANONYMOUS, STRANGER, type CallerIdentity } from '../../../src/audit/mesh/caller.ts';
import {
  configMap,
  custom,
  deployment,
  modesOf,
  namespace,
  outcomesOf,
  settingOf,
  sourceOf,
  verdictsOf,
  type Body,
  type Texts,
} from './setting.ts';

const API = 'ml/api[Deployment]';
const INJECT = { 'linkerd.io/inject': 'enabled' };
const POLICY = 'config.linkerd.io/default-inbound-policy';
const WEB: CallerIdentity = { kind: 'proven', namespace: 'front', serviceAccount: 'web' };

function linkerd(annotations: Texts = {}): readonly Body[] {
  return [
    namespace('ml', {}, { ...INJECT, ...annotations }),
    deployment('api', { ports: [{ name: 'http', containerPort: 8080 }] }),
  ];
}

const policy = (kind: string, name: string, spec: unknown, version = 'v1alpha1'): Body =>
  custom(`policy.linkerd.io/${version}`, kind, `ml/${name}`, spec);
const server = (port: unknown = 8080, extra: Body = {}): Body =>
  policy('Server', 'api', { podSelector: { matchLabels: { app: 'api' } }, port, ...extra }, 'v1beta3');
const authorized = (...references: readonly Body[]): Body =>
  policy('AuthorizationPolicy', 'callers', {
    targetRef: { kind: 'Server', name: 'api' },
    requiredAuthenticationRefs: references,
  });
const mtls = (spec: unknown): Body => policy('MeshTLSAuthentication', 'peers', spec);
const network = (...blocks: readonly string[]): Body =>
  policy('NetworkAuthentication', 'net', { networks: blocks.map((cidr) => ({ cidr })) });
const PEERS = { kind: 'MeshTLSAuthentication', name: 'peers' };
const NET = { kind: 'NetworkAuthentication', name: 'net' };

describe('Linkerd', () => {
  it.each([
    ['all-unauthenticated', 'PERMISSIVE'],
    ['cluster-unauthenticated', 'PERMISSIVE'],
    ['audit', 'PERMISSIVE'],
    ['all-authenticated', 'STRICT'],
    ['cluster-authenticated', 'STRICT'],
    ['deny', 'STRICT'],
    ['sometimes', 'UNKNOWN'],
  ])('with default inbound policy %s is %s', (value, expected) => {
    expect(modesOf(linkerd({ [POLICY]: value }))[`${API}:8080`]).toBe(expected);
  });

  it('takes the policy of the pod before that of the namespace, that before the cluster, and has one of its own', () => {
    const config = configMap('linkerd/linkerd-config', { values: 'proxy: { defaultInboundPolicy: deny }\n' });
    expect(modesOf(linkerd())[`${API}:8080`]).toBe('PERMISSIVE');
    expect(modesOf([...linkerd(), config])[`${API}:8080`]).toBe('STRICT');
    expect(modesOf([...linkerd({ [POLICY]: 'all-unauthenticated' }), config])[`${API}:8080`]).toBe('PERMISSIVE');
    const pod = deployment('api', { annotations: { [POLICY]: 'all-authenticated' } });
    expect(modesOf([namespace('ml', {}, { ...INJECT, [POLICY]: 'all-unauthenticated' }), pod])[`${API}:8080`]).toBe(
      'STRICT',
    );
  });

  it('requires an identity at ports that are said to', () => {
    const bodies = linkerd({ 'config.linkerd.io/proxy-require-identity-inbound-ports': '8080' });
    expect(modesOf(bodies)[`${API}:8080`]).toBe('STRICT');
    expect(modesOf(linkerd({ 'config.linkerd.io/proxy-require-identity-inbound-ports': '9090' }))[`${API}:8080`]).toBe(
      'PERMISSIVE',
    );
  });

  it.each([
    ['8080', 'DISABLE'],
    ['8000-9000', 'DISABLE'],
    ['9090', 'PERMISSIVE'],
    ['http', 'UNKNOWN'],
  ])('does not see skipped ports: %s', (ports, expected) => {
    expect(modesOf(linkerd({ 'config.linkerd.io/skip-inbound-ports': ports }))[`${API}:8080`]).toBe(expected);
  });

  type Case = readonly [
    name: string,
    policies: readonly Body[],
    expected: readonly [mode: string, web: string, stranger: string, anonymous: string],
  ];
  const CASES: readonly Case[] = [
    ['a Server alone lets nobody through', [server()], ['STRICT', 'denied', 'denied', 'denied']],
    ['a Server of another port does not matter', [server(9090)], ['PERMISSIVE', 'allowed', 'allowed', 'allowed']],
    ['a Server by the name of the port', [server('http')], ['STRICT', 'denied', 'denied', 'denied']],
    ['a Server by a name that no port has', [server('grpc')], ['PERMISSIVE', 'allowed', 'allowed', 'allowed']],
    [
      'a Server with an accessPolicy',
      [server(8080, { accessPolicy: 'all-unauthenticated' })],
      ['PERMISSIVE', 'allowed', 'allowed', 'allowed'],
    ],
    [
      'a Server with an accessPolicy for identities',
      [server(8080, { accessPolicy: 'all-authenticated' })],
      ['STRICT', 'allowed', 'allowed', 'denied'],
    ],
    [
      'an authorization without requirements',
      [server(), authorized()],
      ['PERMISSIVE', 'allowed', 'allowed', 'allowed'],
    ],
    [
      'an authorization of all identities',
      [server(), authorized(PEERS), mtls({ identities: ['*'] })],
      ['STRICT', 'allowed', 'allowed', 'denied'],
    ],
    [
      'an authorization of one identity',
      [server(), authorized(PEERS), mtls({ identities: ['web.front.serviceaccount.identity.linkerd.cluster.local'] })],
      ['STRICT', 'allowed', 'denied', 'denied'],
    ],
    [
      'an authorization of another identity',
      [server(), authorized(PEERS), mtls({ identities: ['db.front.serviceaccount.identity.linkerd.cluster.local'] })],
      ['STRICT', 'denied', 'denied', 'denied'],
    ],
    [
      'an authorization of a namespace by its end',
      [server(), authorized(PEERS), mtls({ identities: ['*.front.serviceaccount.identity.linkerd.cluster.local'] })],
      ['STRICT', 'allowed', 'denied', 'denied'],
    ],
    [
      'an authorization of a service account',
      [
        server(),
        authorized(PEERS),
        mtls({ identityRefs: [{ kind: 'ServiceAccount', namespace: 'front', name: 'web' }] }),
      ],
      ['STRICT', 'allowed', 'denied', 'denied'],
    ],
    [
      'an authorization of a namespace',
      [server(), authorized(PEERS), mtls({ identityRefs: [{ kind: 'Namespace', name: 'front' }] })],
      ['STRICT', 'allowed', 'denied', 'denied'],
    ],
    [
      'a service account as the requirement itself',
      [server(), authorized({ kind: 'ServiceAccount', namespace: 'front', name: 'web' })],
      ['STRICT', 'allowed', 'denied', 'denied'],
    ],
    [
      'an authorization by a network',
      [server(), authorized(NET), network('10.0.0.0/8')],
      ['PERMISSIVE', 'unknown', 'unknown', 'unknown'],
    ],
    [
      'an authorization by every network',
      [server(), authorized(NET), network('0.0.0.0/0', '::/0')],
      ['PERMISSIVE', 'allowed', 'allowed', 'allowed'],
    ],
    [
      'an authorization by every network of one family',
      [server(), authorized(NET), network('0.0.0.0/0')],
      ['PERMISSIVE', 'unknown', 'unknown', 'unknown'],
    ],
    [
      'two Servers, one of which lets everybody through',
      [server(), policy('Server', 'open', { podSelector: {}, port: 8080, accessPolicy: 'all-unauthenticated' })],
      ['PERMISSIVE', 'allowed', 'allowed', 'allowed'],
    ],
    [
      'an authorization by network and identity',
      [server(), authorized(NET, PEERS), network('0.0.0.0/0', '::/0'), mtls({ identities: ['*'] })],
      ['STRICT', 'allowed', 'allowed', 'denied'],
    ],
    [
      'an authorization by what is not there',
      [server(), authorized(PEERS)],
      ['STRICT', 'unknown', 'unknown', 'denied'],
    ],
    [
      'an authorization of the namespace',
      [
        server(),
        policy('AuthorizationPolicy', 'all', {
          targetRef: { kind: 'Namespace', name: 'ml' },
          requiredAuthenticationRefs: [],
        }),
      ],
      ['PERMISSIVE', 'allowed', 'allowed', 'allowed'],
    ],
    [
      'an authorization of another Server',
      [
        server(),
        policy('AuthorizationPolicy', 'x', {
          targetRef: { kind: 'Server', name: 'other' },
          requiredAuthenticationRefs: [],
        }),
      ],
      ['STRICT', 'denied', 'denied', 'denied'],
    ],
    [
      'an authorization of a route of the Server',
      [
        server(),
        policy('HTTPRoute', 'probe', { parentRefs: [{ kind: 'Server', name: 'api' }] }),
        policy('AuthorizationPolicy', 'x', {
          targetRef: { kind: 'HTTPRoute', name: 'probe' },
          requiredAuthenticationRefs: [],
        }),
      ],
      ['PERMISSIVE', 'depends', 'depends', 'depends'],
    ],
    [
      'an authorization of a route of another Server',
      [
        server(),
        policy('HTTPRoute', 'probe', { parentRefs: [{ kind: 'Server', name: 'other' }] }),
        policy('AuthorizationPolicy', 'x', {
          targetRef: { kind: 'HTTPRoute', name: 'probe' },
          requiredAuthenticationRefs: [],
        }),
      ],
      ['STRICT', 'denied', 'denied', 'denied'],
    ],
    [
      'an older authorization of everybody',
      [
        server(),
        policy('ServerAuthorization', 'x', { server: { name: 'api' }, client: { unauthenticated: true } }, 'v1beta1'),
      ],
      ['PERMISSIVE', 'allowed', 'allowed', 'allowed'],
    ],
    [
      'an older authorization of a service account',
      [
        server(),
        policy(
          'ServerAuthorization',
          'x',
          { server: { name: 'api' }, client: { meshTLS: { serviceAccounts: [{ namespace: 'front', name: 'web' }] } } },
          'v1beta1',
        ),
      ],
      ['STRICT', 'allowed', 'denied', 'denied'],
    ],
    [
      'an older authorization of any certificate',
      [
        server(),
        policy(
          'ServerAuthorization',
          'x',
          { server: { name: 'api' }, client: { meshTLS: { unauthenticatedTLS: true } } },
          'v1beta1',
        ),
      ],
      ['PERMISSIVE', 'allowed', 'allowed', 'allowed'],
    ],
    [
      'a Server whose selector cannot be read',
      [policy('Server', 'api', { podSelector: { matchLabels: { app: 1 } }, port: 8080 })],
      ['UNKNOWN', 'unknown', 'unknown', 'unknown'],
    ],
  ];
  it.each(CASES)('%s', (_name, policies, expected) => {
    const bodies = [...linkerd(), ...policies];
    const { mesh, workload } = settingOf(bodies);
    const admissionOf = (caller: CallerIdentity): string =>
      authorize(mesh, caller, { to: workload(API), port: 8080 }).admission;
    expect([modesOf(bodies)[`${API}:8080`], admissionOf(WEB), admissionOf(STRANGER), admissionOf(ANONYMOUS)]).toEqual(
      expected,
    );
  });

  it('does not know policies that could not be read', () => {
    const unreadable: Unreadable = {
      what: 'servers',
      kind: 'Server.policy.linkerd.io',
      namespace: 'ml',
      reason: 'forbidden',
      detail: '403',
      position: null,
    };
    expect(modesOf(linkerd(), { unreadable: [unreadable] })[`${API}:8080`]).toBe('UNKNOWN');
  });

  it('finds a named port in whichever container has it', () => {
    const containers = [
      { name: 'a', image: 'a', ports: [{ name: 'http', containerPort: 8080 }] },
      { name: 'b', image: 'b', ports: [{ name: 'grpc', containerPort: 9090 }] },
    ];
    const bodies = [namespace('ml', {}, INJECT), deployment('api', { containers }), server('grpc')];
    expect(modesOf(bodies)).toEqual({ [`${API}:8080`]: 'PERMISSIVE', [`${API}:9090`]: 'STRICT' });
  });

  it('names what decided', () => {
    expect(sourceOf(linkerd(), API)).toBe(
      'Linkerd, default inbound policy all-unauthenticated as Linkerd has it when nothing is said',
    );
    expect(sourceOf([...linkerd(), server()], API)).toBe('Linkerd, Server ml/api');
    const open = policy('Server', 'open', { podSelector: {}, port: 8080, accessPolicy: 'audit' });
    expect(sourceOf([...linkerd(), server(), open], API)).toBe('Linkerd, Server ml/open with accessPolicy audit');
    expect(sourceOf([...linkerd(), server(), authorized()], API)).toBe(
      'Linkerd, AuthorizationPolicy ml/callers for Server ml/api',
    );
  });

  it('is judged by the same rules', () => {
    expect(outcomesOf('mesh-mtls-not-strict', linkerd())).toEqual([`fail ${API}`]);
    expect(outcomesOf('mesh-mtls-not-strict', linkerd({ [POLICY]: 'all-authenticated' }))).toEqual([`pass ${API}`]);
    expect(outcomesOf('mesh-no-authorization', linkerd({ [POLICY]: 'all-authenticated' }))).toEqual([`fail ${API}`]);
    expect(outcomesOf('mesh-no-authorization', [...linkerd(), server()])).toEqual([`pass ${API}`]);
    expect(outcomesOf('mesh-sidecar-missing', linkerd())).toEqual([`pass ${API}`]);
    expect(verdictsOf('mesh-mtls-not-strict', linkerd())[0]?.remediation.manifest).toContain(
      'kind: MeshTLSAuthentication',
    );
  });
});

describe('mutual authentication of Cilium', () => {
  const cilium = (ingress: unknown, selector: unknown = { matchLabels: { app: 'api' } }): Body =>
    custom('cilium.io/v2', 'CiliumNetworkPolicy', 'ml/auth', { endpointSelector: selector, ingress });
  const proof = { authentication: { mode: 'required' } };
  const ports = (...numbers: readonly string[]): Body => ({ toPorts: [{ ports: numbers.map((port) => ({ port })) }] });
  const base = [namespace('ml'), deployment('api')];

  it.each([
    ['required for all ports', cilium([{ ...proof, fromEndpoints: [{}] }]), 'STRICT'],
    ['required for the port', cilium([{ ...proof, ...ports('8080') }]), 'STRICT'],
    ['required for another port', cilium([{ ...proof, ...ports('9090') }]), 'DISABLE'],
    ['required for port 0, which is all', cilium([{ ...proof, ...ports('0') }]), 'STRICT'],
    [
      'required for one caller and not for another',
      cilium([{ ...proof, ...ports('8080') }, ports('8080')]),
      'PERMISSIVE',
    ],
    ['not required', cilium([ports('8080')]), 'DISABLE'],
    ['switched off', cilium([{ authentication: { mode: 'disabled' } }]), 'DISABLE'],
    ['required of others', cilium([proof], { matchLabels: { app: 'other' } }), 'DISABLE'],
    ['required by labels with their source', cilium([proof], { matchLabels: { 'k8s:app': 'api' } }), 'STRICT'],
    ['required of all in the namespace', cilium([proof], {}), 'STRICT'],
    ['required for a port that cannot be read', cilium([{ ...proof, toPorts: [{ ports: [{}] }] }]), 'UNKNOWN'],
    ['required for a port by its name', cilium([{ ...proof, ...ports('http') }]), 'DISABLE'],
    ['required of who cannot be read', cilium([proof], { matchLabels: { app: 1 } }), 'UNKNOWN'],
    [
      'required for a range of ports',
      cilium([{ ...proof, toPorts: [{ ports: [{ port: '8000', endPort: 8100 }] }] }]),
      'STRICT',
    ],
  ])('%s', (_name, policy, expected) => {
    expect(modesOf([...base, policy])[`${API}:8080`]).toBe(expected);
  });

  it('says whether packets are encrypted', () => {
    const policy = cilium([proof]);
    const config = (data: Texts): Body => configMap('kube-system/cilium-config', data);
    const source = (...extra: readonly Body[]): string => sourceOf([...base, policy, ...extra], API);
    expect(source()).toContain('whether packets are encrypted is not known');
    expect(source(config({}))).toContain('packets are not encrypted');
    expect(source(config({ 'enable-wireguard': 'true' }))).toContain('packets are encrypted by WireGuard');
    expect(modesOf([...base, policy, config({ 'mesh-auth-enabled': 'false' })])[`${API}:8080`]).toBe('UNKNOWN');
  });

  it('holds for the whole cluster', () => {
    const everywhere = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumClusterwideNetworkPolicy',
      metadata: { name: 'auth' },
      spec: { endpointSelector: { matchLabels: { 'io.kubernetes.pod.namespace': 'ml' } }, ingress: [proof] },
    };
    const other = deployment('other', { namespace: 'other' });
    expect(modesOf([...base, namespace('other'), other, everywhere])).toEqual({
      [`${API}:8080`]: 'STRICT',
      'other/other[Deployment]:8080': 'DISABLE',
    });
  });

  it('is judged by the same rules', () => {
    expect(outcomesOf('mesh-mtls-not-strict', [...base, cilium([proof])])).toEqual([`pass ${API}`]);
    expect(outcomesOf('mesh-mtls-not-strict', [...base, cilium([proof, {}])])).toEqual([`fail ${API}`]);
    expect(outcomesOf('mesh-sidecar-missing', [...base, cilium([proof])])).toEqual([`pass ${API}`]);
  });
});
