import { describe, expect, it } from 'vitest';
import { parsePortList } from '../../../src/audit/mesh/port-list.ts';
import {
  AMBIENT,
  configMap,
  deployment,
  modesOf,
  namespace,
  outcomesOf,
  peerAuthentication,
  saidOf,
  SIDECARS,
  verdictsOf,
  type Body,
  type PodTerms,
  type Texts,
} from './setting.ts';

const API = 'ml/api[Deployment]';
const STRICT = peerAuthentication('ml/default', { mode: 'STRICT' });
const TRAFFIC = 'traffic.sidecar.istio.io/';

function strictWith(annotations: Texts, terms: PodTerms = {}): readonly Body[] {
  return [namespace('ml', SIDECARS), STRICT, deployment('api', { annotations, ...terms })];
}

describe('S18 what a pod takes out of the mesh', () => {
  type Case = readonly [name: string, annotations: Texts, expected: string];
  const CASES: readonly Case[] = [
    ['nothing', {}, 'STRICT'],
    ['the port', { [`${TRAFFIC}excludeInboundPorts`]: '8080' }, 'DISABLE'],
    ['the port among others', { [`${TRAFFIC}excludeInboundPorts`]: '9090, 8080' }, 'DISABLE'],
    ['another port', { [`${TRAFFIC}excludeInboundPorts`]: '9090' }, 'STRICT'],
    ['no port', { [`${TRAFFIC}excludeInboundPorts`]: '' }, 'STRICT'],
    ['every port but others', { [`${TRAFFIC}includeInboundPorts`]: '9090' }, 'DISABLE'],
    ['every port but this one', { [`${TRAFFIC}includeInboundPorts`]: '8080' }, 'STRICT'],
    ['every port', { [`${TRAFFIC}includeInboundPorts`]: '' }, 'DISABLE'],
    ['none, told with a star', { [`${TRAFFIC}includeInboundPorts`]: '*' }, 'STRICT'],
    [
      'the port, and all are included',
      { [`${TRAFFIC}includeInboundPorts`]: '*', [`${TRAFFIC}excludeInboundPorts`]: '8080' },
      'DISABLE',
    ],
    [
      'exclusions, which a list of inclusions makes void',
      { [`${TRAFFIC}includeInboundPorts`]: '8080', [`${TRAFFIC}excludeInboundPorts`]: '8080' },
      'STRICT',
    ],
    ['what is no list of ports', { [`${TRAFFIC}excludeInboundPorts`]: 'http' }, 'UNKNOWN'],
    ['a port beyond all ports', { [`${TRAFFIC}excludeInboundPorts`]: '99999' }, 'UNKNOWN'],
    ['an interface', { [`${TRAFFIC}excludeInterfaces`]: 'net1' }, 'UNKNOWN'],
    ['everything, by the mode of interception', { 'sidecar.istio.io/interceptionMode': 'NONE' }, 'DISABLE'],
    ['nothing, by the mode of interception', { 'sidecar.istio.io/interceptionMode': 'TPROXY' }, 'STRICT'],
    [
      'everything, by the configuration of the proxy',
      { 'proxy.istio.io/config': 'interceptionMode: NONE\n' },
      'DISABLE',
    ],
    ['outbound ports, which says nothing of inbound ones', { [`${TRAFFIC}excludeOutboundPorts`]: '8080' }, 'STRICT'],
    [
      'an annotation of ambient mode, which it is not in',
      { 'ambient.istio.io/bypass-inbound-capture': 'true' },
      'STRICT',
    ],
    ["Linkerd's annotation, which has no meaning here", { 'config.linkerd.io/skip-inbound-ports': '8080' }, 'STRICT'],
  ];
  it.each(CASES)('%s', (_name, annotations, expected) => {
    expect(modesOf(strictWith(annotations))[`${API}:8080`]).toBe(expected);
  });

  it.each([
    ['true', 'DISABLE'],
    ['1', 'DISABLE'],
    ['false', 'STRICT'],
    ['yes', 'STRICT'],
  ])('in ambient mode by bypass-inbound-capture: %s', (value, expected) => {
    const annotations = { 'ambient.istio.io/bypass-inbound-capture': value };
    const bodies = [namespace('ml', AMBIENT), STRICT, deployment('api', { annotations })];
    expect(modesOf(bodies)[`${API}:8080`]).toBe(expected);
  });

  it('by the defaults of the injector, which the pod overrides', () => {
    const values = '{"global":{"proxy":{"excludeInboundPorts":"8080"}}}';
    const injector = configMap('istio-system/istio-sidecar-injector', { config: 'policy: enabled\n', values });
    expect(modesOf([...strictWith({}), injector])[`${API}:8080`]).toBe('DISABLE');
    expect(modesOf([...strictWith({ [`${TRAFFIC}excludeInboundPorts`]: '9090' }), injector])[`${API}:8080`]).toBe(
      'STRICT',
    );
  });

  it('by the default mode of interception of the mesh', () => {
    const mesh = configMap('istio-system/istio', { mesh: 'defaultConfig: { interceptionMode: NONE }\n' });
    expect(modesOf([...strictWith({}), mesh])[`${API}:8080`]).toBe('DISABLE');
    expect(modesOf([...strictWith({ 'sidecar.istio.io/interceptionMode': 'REDIRECT' }), mesh])[`${API}:8080`]).toBe(
      'STRICT',
    );
  });
});

describe('lists of ports', () => {
  it.each([
    ['8080', [8080], [8081]],
    ['25,587, 1000-1002', [25, 587, 1000, 1001, 1002], [26, 999, 1003]],
    ['*', [0, 1, 65_535], []],
    ['', [], [1]],
    [' , ', [], [1]],
  ])('%j', (text, inside, outside) => {
    const ports = parsePortList(text);
    expect(inside.every((port) => ports?.has(port))).toBe(true);
    expect(outside.some((port) => ports?.has(port))).toBe(false);
  });

  it.each(['http', '8080:9090', '-1', '70000', '9-8', '80;81', '8080 9090'])('refuses %j', (text) => {
    expect(parsePortList(text)).toBeNull();
  });
});

describe('mesh-port-excluded', () => {
  const RULE = 'mesh-port-excluded';

  it('S18 finds an excluded port under STRICT, where the annotation stands', () => {
    const annotation = `${TRAFFIC}excludeInboundPorts`;
    const [verdict] = verdictsOf(RULE, strictWith({ [annotation]: '8080' }));
    expect(verdict).toMatchObject({
      verdict: 'fail',
      at: ['spec', 'template', 'metadata', 'annotations', annotation],
      detail: `what arrives there is not seen by the mesh (of its own: 8080): annotation \`${annotation}: 8080\``,
      evidence: { direction: 'inbound', ports: [8080] },
    });
    expect(outcomesOf('mesh-mtls-not-strict', strictWith({ [annotation]: '8080' }))).toEqual([]);
  });

  it.each([
    [{}, [`pass ${API}`]],
    [{ [`${TRAFFIC}excludeOutboundPorts`]: '5432' }, [`fail ${API}`]],
    [{ [`${TRAFFIC}excludeOutboundIPRanges`]: '10.0.0.0/8' }, [`fail ${API}`]],
    [{ [`${TRAFFIC}includeOutboundIPRanges`]: '*' }, [`pass ${API}`]],
    [{ [`${TRAFFIC}includeOutboundIPRanges`]: '10.0.0.0/8' }, [`fail ${API}`]],
    [{ [`${TRAFFIC}excludeInterfaces`]: 'net1' }, [`fail ${API}`, `fail ${API}`]],
    [{ [`${TRAFFIC}excludeInboundPorts`]: 'http' }, [`unknown ${API}`]],
    [
      { [`${TRAFFIC}excludeInboundPorts`]: '8080', [`${TRAFFIC}excludeOutboundPorts`]: '1' },
      [`fail ${API}`, `fail ${API}`],
    ],
  ] as readonly (readonly [Texts, readonly string[]])[])('judges %j', (annotations, expected) => {
    expect(outcomesOf(RULE, strictWith(annotations))).toEqual(expected);
  });

  it.each([
    [{ runAsUser: 1337 }, [`fail ${API}`]],
    [{ runAsGroup: 1337 }, [`fail ${API}`]],
    [{ runAsUser: 1000 }, [`pass ${API}`]],
  ])('finds a container that the proxy takes for itself: %j', (securityContext, expected) => {
    const containers = [{ name: 'main', image: 'm', ports: [{ containerPort: 8080 }], securityContext }];
    expect(outcomesOf(RULE, strictWith({}, { containers }))).toEqual(expected);
    expect(modesOf(strictWith({}, { containers }))[`${API}:8080`]).toBe('STRICT');
  });

  it('says nothing where nobody knows of a mesh, and speaks where somebody does', () => {
    const bodies = [deployment('api', { annotations: { [`${TRAFFIC}excludeInboundPorts`]: '8080' } })];
    expect(outcomesOf(RULE, bodies)).toEqual([]);
    expect(outcomesOf(RULE, [...bodies, STRICT])).toEqual([`fail ${API}`]);
  });

  it('finds a port that nothing listens on less grave', () => {
    expect(verdictsOf(RULE, strictWith({ [`${TRAFFIC}excludeInboundPorts`]: '9999' }))[0]?.severity).toBe('low');
    expect(verdictsOf(RULE, strictWith({ [`${TRAFFIC}excludeInboundPorts`]: '8080' }))[0]?.severity).toBe('medium');
  });

  it('says nothing of what is in no mesh', () => {
    const annotations = { [`${TRAFFIC}excludeInboundPorts`]: '8080' };
    expect(outcomesOf(RULE, [namespace('ml'), STRICT, deployment('api', { annotations })])).toEqual([]);
  });

  it('says once what is set for the whole mesh or a namespace', () => {
    const values = '{"global":{"proxy":{"excludeInboundPorts":"8080"}}}';
    const injector = configMap('istio-system/istio-sidecar-injector', { config: 'policy: enabled\n', values });
    const two = [namespace('ml', SIDECARS), deployment('api'), deployment('web'), injector];
    expect(outcomesOf(RULE, two)).toEqual(['fail cluster[Cluster]']);
    const linkerd = namespace(
      'ml',
      {},
      { 'linkerd.io/inject': 'enabled', 'config.linkerd.io/skip-inbound-ports': '8080' },
    );
    expect(outcomesOf(RULE, [linkerd, deployment('api'), deployment('web')])).toEqual(['fail ml[Namespace]']);
  });

  it('tells of UDP, which no mesh carries', () => {
    const bodies = strictWith({}, { ports: [8080, { containerPort: 53, protocol: 'UDP' }] });
    expect(saidOf(RULE, bodies)).toEqual([
      `fail ${API}: port 53 is UDP, which no mesh carries`,
      `pass ${API}: no setting takes traffic out of the mesh`,
    ]);
  });
});
