// deploy/ as it stands: what it claims holds for every object in it, and what it configures is accepted and decides as meant.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../src/app/config.ts';
import { decide } from '../../src/policy/decide.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import {
  type Container,
  findNetworkProblems,
  findPodProblems,
  type Manifest,
  MANIFEST_DIRECTORY,
  manifestFiles,
  type PodSpec,
  readDocuments,
  readManifests,
} from './manifests.ts';
import { portOf } from '../support/port-of.ts';

const ROOT = join(import.meta.dirname, '../..');
const manifests = readManifests();

function find(kind: string, name: string): Manifest {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('missing in the manifest');
  return value;
}

const template = present(find('Deployment', 'registry').spec.template);
const pod = template.spec;
const sidecar = present(pod.initContainers?.[0]);
const registry = present(pod.containers[0]);
const networkPolicies = manifests.filter(({ kind }) => kind === 'NetworkPolicy');
const config = parseConfig(
  Buffer.from(present(find('ConfigMap', 'sallyport-config').data?.['sallyport.yaml'])),
  '/etc/sallyport/config/sallyport.yaml',
);
const policy = loadPolicy(
  [
    {
      file: 'ai-platform.yaml',
      kind: 'policy',
      bytes: Buffer.from(present(find('ConfigMap', 'sallyport-policy').data?.['ai-platform.yaml'])),
    },
    ...['generic', 'mlflow'].map((name) => ({
      file: `protocols/${name}.yaml`,
      kind: 'protocol' as const,
      bytes: readFileSync(join(ROOT, `policies/protocols/${name}.yaml`)),
    })),
  ],
  config.policy.mode,
);

describe('the manifests', () => {
  it('are all applied', () => {
    const { resources } = parse(readFileSync(join(MANIFEST_DIRECTORY, 'kustomization.yaml'), 'utf8'));
    expect(resources.toSorted()).toEqual(manifestFiles().toSorted());
  });

  it.each(manifestFiles())('mean the same to readers of YAML 1.1 and 1.2: %s', (file) => {
    expect(readDocuments(file, '1.1')).toEqual(readDocuments(file, '1.2'));
  });

  it('live in one namespace that refuses pods which are not restricted', () => {
    const namespace = find('Namespace', 'ai-registry');
    for (const mode of ['enforce', 'audit', 'warn']) {
      expect(namespace.metadata.labels?.[`pod-security.kubernetes.io/${mode}`]).toBe('restricted');
    }
    for (const { kind, metadata } of manifests) {
      if (kind !== 'Namespace') expect(metadata.namespace, `${kind} ${metadata.name}`).toBe('ai-registry');
    }
  });

  it('hold no secret', () => {
    expect(manifests.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    for (const container of [sidecar, registry]) {
      for (const { name, valueFrom } of container.env ?? []) {
        expect(valueFrom, name).toBeUndefined();
        expect(name).not.toMatch(/password|secret|token|key/i);
      }
    }
  });

  it('mount no token of the service account, which is the registry alone', () => {
    expect(find('ServiceAccount', 'registry').automountServiceAccountToken).toBe(false);
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.serviceAccountName).toBe('registry');
    expect(manifests.filter(({ kind }) => kind.includes('Role'))).toEqual([]);
  });
});

describe('the pod', () => {
  it('is restricted, limited and probed in every container', () => {
    expect([...present(pod.initContainers), ...pod.containers]).toHaveLength(2);
    expect(findPodProblems(pod)).toEqual([]);
  });

  const inRegistry = (change: Partial<Container>): PodSpec => ({ ...pod, containers: [{ ...registry, ...change }] });
  const { securityContext } = registry;
  it.each<readonly [string, PodSpec, string]>([
    ['no security context', inRegistry({ securityContext: {} }), 'registry: runAsNonRoot'],
    ['root', inRegistry({ securityContext: { ...securityContext, runAsUser: 0 } }), 'registry: runAsUser'],
    [
      'writable root',
      inRegistry({ securityContext: { ...securityContext, readOnlyRootFilesystem: false } }),
      'registry: readOnlyRootFilesystem',
    ],
    [
      'capabilities',
      inRegistry({ securityContext: { ...securityContext, capabilities: { drop: ['ALL'], add: ['NET_RAW'] } } }),
      'registry: capabilities',
    ],
    ['a host port', inRegistry({ ports: [{ name: 'x', containerPort: 1, hostPort: 1 }] }), 'registry: hostPort'],
    ['an image that moves', inRegistry({ image: 'ghcr.io/mlflow/mlflow:latest' }), 'registry: image without version'],
    [
      'a sidecar that is not',
      { ...pod, initContainers: [{ ...sidecar, securityContext: {} }] },
      'sallyport: seccompProfile',
    ],
    ['the host network', { ...pod, hostNetwork: true }, 'pod: shares with the host'],
    ['a host path', { ...pod, volumes: [{ name: 'x', hostPath: { path: '/' } }] }, 'volume x: hostPath'],
    ['a token', { ...pod, automountServiceAccountToken: true }, 'pod: token mounted'],
  ])('would be found out with %s', (_name, changed, problem) => {
    expect(findPodProblems(changed)).toContain(problem);
  });

  it('has Sallyport as a native sidecar, up before the registry', () => {
    expect(pod.initContainers).toHaveLength(1);
    expect(sidecar.restartPolicy).toBe('Always');
    expect(sidecar.startupProbe).toBeDefined();
  });

  it('asks after Sallyport on the probes listener', () => {
    const probesPort = present(sidecar.ports?.find(({ name }) => name === 'probes')).containerPort;
    expect(probesPort).toBe(config.probes?.bind.port);
    expect(config.probes?.bind.host).toBe('0.0.0.0');
    expect(sidecar.startupProbe?.httpGet).toEqual({ path: '/healthz', port: 'probes' });
    expect(sidecar.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'probes' });
    expect(sidecar.livenessProbe?.httpGet).toEqual({ path: '/healthz', port: 'probes' });
    expect(template.metadata.annotations).toMatchObject({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(probesPort),
      'prometheus.io/path': '/metrics',
    });
  });

  it('runs the registry on loopback, asked after from inside', () => {
    expect(registry.args).toContain('--host=127.0.0.1');
    expect(registry.ports).toBeUndefined();
    for (const probe of [registry.startupProbe, registry.readinessProbe, registry.livenessProbe]) {
      expect(probe?.httpGet).toBeUndefined();
      expect(probe?.exec?.command.join(' ')).toContain('127.0.0.1:5000');
    }
  });

  it('gives the key of the SVID to Sallyport alone, another user than the registry', () => {
    const mounts = ({ volumeMounts = [] }: Container) => volumeMounts.map(({ name }) => name);
    expect(mounts(sidecar)).toEqual(['sallyport-config', 'sallyport-policy', 'identity']);
    expect(mounts(registry)).toEqual(['database', 'models', 'scratch']);
    expect(sidecar.volumeMounts?.every(({ readOnly }) => readOnly === true)).toBe(true);
    expect(sidecar.securityContext?.runAsUser).not.toBe(registry.securityContext?.runAsUser);
  });

  it('lets everything in flight end before it is killed', () => {
    const pauseSeconds = present(registry.lifecycle?.preStop?.sleep).seconds;
    expect(present(pod.terminationGracePeriodSeconds)).toBeGreaterThan(pauseSeconds + config.drain.timeoutMs / 1000);
  });
});

describe('the network', () => {
  it('is closed in both directions, and opened for named peers and ports only', () => {
    expect(findNetworkProblems(networkPolicies)).toEqual([]);
  });

  it.each<readonly [string, Manifest['spec'], string]>([
    ['ingress left open', { podSelector: {}, policyTypes: ['Egress'] }, 'no default deny: Ingress'],
    ['egress left open', { podSelector: {}, policyTypes: ['Ingress'] }, 'no default deny: Egress'],
    [
      'a deny that allows',
      { podSelector: {}, policyTypes: ['Ingress', 'Egress'], egress: [{}] },
      'no default deny: Egress',
    ],
    [
      'a deny for some pods',
      { podSelector: { matchLabels: { a: 'b' } }, policyTypes: ['Ingress'] },
      'no default deny: Ingress',
    ],
    ['every peer', { policyTypes: ['Ingress'], ingress: [{ ports: [{ protocol: 'TCP', port: 1 }] }] }, 'x: any peer'],
    [
      'every port',
      { policyTypes: ['Egress'], egress: [{ to: [{ podSelector: { matchLabels: { a: 'b' } } }] }] },
      'x: any port',
    ],
    ['every namespace', { policyTypes: ['Egress'], egress: [{ to: [{ namespaceSelector: {} }] }] }, 'x: any namespace'],
    ['a direction it does not name', { policyTypes: ['Ingress'], egress: [] }, 'x: policyTypes'],
  ])('would be found out with %s', (_name, spec, problem) => {
    const policy: Manifest = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'x' },
      spec,
    };
    expect(findNetworkProblems([policy])).toContain(problem);
  });

  const rulesOf = (direction: 'ingress' | 'egress') => networkPolicies.flatMap(({ spec }) => spec[direction] ?? []);
  const portsOf = (direction: 'ingress' | 'egress') =>
    rulesOf(direction).map(({ ports }) => ports?.map(({ port }) => port));

  it('is open at the mTLS listener and the probes, and towards names and the data store', () => {
    expect(portsOf('ingress')).toEqual([[portOf(config.listeners[0]?.bind)], [config.probes?.bind.port]]);
    expect(portsOf('egress')).toEqual([[53, 53], [5432]]);
    for (const { spec } of networkPolicies) {
      const selected = spec.podSelector?.matchLabels ?? {};
      expect(template.metadata.labels).toMatchObject(selected);
    }
  });

  it('lets in those components that the access matrix gives something at the registry', () => {
    const peers = rulesOf('ingress').find(({ ports }) => ports?.[0]?.port === 8443)?.from ?? [];
    const admitted = peers
      .flatMap(({ podSelector }) => podSelector?.matchExpressions ?? [])
      .flatMap(({ values }) => values);
    expect(admitted.toSorted()).toEqual(['inference', 'pipeline', 'training']);
    const mayRead = Object.entries(WORKLOADS).filter(
      ([, id]) => ask(id, 'GET', '/api/2.0/mlflow/registered-models/get') === 'allow',
    );
    expect(mayRead.map(([component]) => component).toSorted()).toEqual(admitted.toSorted());
  });

  it('reaches the service at the listener', () => {
    const service = find('Service', 'registry');
    expect(service.spec.type).toBe('ClusterIP');
    expect(service.spec.ports?.map(({ port, targetPort }) => [port, targetPort])).toEqual([
      [8443, portOf(config.listeners[0]?.bind)],
    ]);
    expect(template.metadata.labels).toMatchObject(present(service.spec.selector));
  });
});

const WORKLOADS: Readonly<Record<string, string>> = {
  training: 'spiffe://ai.example/ns/ai-training/sa/job',
  inference: 'spiffe://ai.example/ns/ai-inference/sa/server',
  pipeline: 'spiffe://ai.example/ns/ai-pipeline/sa/runner',
  'feature-store': 'spiffe://ai.example/ns/ai-features/sa/feature-store',
  'data-store': 'spiffe://ai.example/ns/ai-data/sa/data-store',
  'experiment-tracker': 'spiffe://ai.example/ns/ai-experiments/sa/experiment-tracker',
  'monitoring-admin': 'spiffe://ai.example/ns/monitoring/sa/monitoring-admin',
};

function ask(id: string, method: string, path: string) {
  return decide(policy, { principal: parseSpiffeId(id), target: 'registry', method, path, query: null, upgrade: null })
    .effect;
}

describe('the configuration of Sallyport', () => {
  it('enforces, in front of the registry on loopback', () => {
    expect(config.policy.mode).toBe('enforce');
    expect(config.listeners).toHaveLength(1);
    expect(config.listeners[0]).toMatchObject({ component: 'registry', bind: { host: '0.0.0.0', port: 8443 } });
    expect(config.listeners[0]?.routes[0]?.upstream.address).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 5000 });
    expect(registry.args).toContain('--port=5000');
    expect(config.admin?.bind).toMatchObject({ host: '127.0.0.1' });
  });

  it('reads what is mounted', () => {
    const mounts = new Map(sidecar.volumeMounts?.map(({ name, mountPath }) => [name, mountPath]));
    if (config.identity.kind !== 'files') throw new Error('the identity comes from files');
    const { certificate, privateKey, trustBundles } = config.identity;
    expect([certificate, privateKey, ...trustBundles.values()]).toEqual(
      ['tls.crt', 'tls.key', 'ca.crt'].map((file) => `${mounts.get('identity')}/${file}`),
    );
    expect(config.policy.path).toBe(mounts.get('sallyport-policy'));
    expect(sidecar.args).toEqual(['run', '--config', `${mounts.get('sallyport-config')}/sallyport.yaml`]);
  });

  it.each([
    ['training', 'POST', '/api/2.0/mlflow/registered-models/create', 'allow'],
    ['training', 'GET', '/api/2.0/mlflow/registered-models/get', 'allow'],
    ['pipeline', 'POST', '/api/2.0/mlflow/model-versions/create', 'allow'],
    ['inference', 'GET', '/api/2.0/mlflow/registered-models/get', 'allow'],
    ['inference', 'POST', '/api/2.0/mlflow/registered-models/create', 'deny'],
    ['data-store', 'GET', '/api/2.0/mlflow/registered-models/get', 'deny'],
    ['monitoring-admin', 'GET', '/api/2.0/mlflow/registered-models/get', 'deny'],
    ['training', 'GET', '/no/such/route', 'deny'],
  ])('decides for %s: %s %s → %s', (component, method, path, effect) => {
    expect(ask(WORKLOADS[component] ?? '', method, path)).toBe(effect);
  });

  it.each([
    'spiffe://ai.example/ns/default/sa/job',
    'spiffe://ai.example/ns/ai-training/sa/job/extra',
    'spiffe://ai.example/training/job',
    'spiffe://evil.example/ns/ai-training/sa/job',
  ])('knows nothing of %s', (id) => {
    expect(ask(id, 'GET', '/api/2.0/mlflow/registered-models/get')).toBe('deny');
  });
});

describe('the image', () => {
  const lines = readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const runtime = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));

  it('is built from the lock file in a stage of its own', () => {
    expect(lines.filter((line) => line.startsWith('FROM '))).toHaveLength(2);
    expect(lines).toContain('RUN npm ci --no-audit --no-fund');
    expect(lines).toContain('RUN npm run build');
    expect(lines.filter((line) => /^(?:ADD|RUN curl|RUN wget)/.test(line))).toEqual([]);
  });

  it('runs as a numbered user that is not root, without a shell, from files it does not own', () => {
    expect(runtime.filter((line) => line.startsWith('USER '))).toEqual([
      `USER ${sidecar.securityContext?.runAsUser}:65532`,
    ]);
    expect(runtime.filter((line) => line.startsWith('RUN '))).toEqual([]);
    expect(runtime.filter((line) => line.includes('--chown'))).toEqual([]);
    expect(runtime.find((line) => line.startsWith('ENTRYPOINT '))).toMatch(
      /^ENTRYPOINT \["\/usr\/local\/bin\/node", .*"\/app\/dist\/sallyport\.js"\]$/,
    );
    // As whoever runs the program by its name does.
    const [firstLine = ''] = readFileSync(join(ROOT, 'src/main.ts'), 'utf8').split('\n');
    const [, option] = /^#!\/usr\/bin\/env -S node (\S+)$/.exec(firstLine) ?? [];
    expect(runtime.find((line) => line.startsWith('ENTRYPOINT '))).toContain(`/node", "${option}", "/app`);
    expect(runtime).toContain('HEALTHCHECK NONE');
  });

  it('has the protocol files beside the program, and runs with the configuration the manifests mount', () => {
    expect(runtime).toContain('COPY policies ./policies');
    expect(runtime).toContain('COPY --from=build /src/dist ./dist');
    const command = runtime.find((line) => line.startsWith('CMD '))?.slice('CMD '.length) ?? '';
    expect(JSON.parse(command)).toEqual(sidecar.args);
  });

  it('is built from an allow-list without keys', () => {
    const allowed = readFileSync(join(ROOT, 'deploy/Dockerfile.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(allowed[0]).toBe('*');
    expect(allowed.slice(1).every((line) => line.startsWith('!'))).toBe(true);
    expect(allowed.filter((line) => /certs|env|git|node_modules|\*\*/.test(line))).toEqual([]);
    const copied = lines
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
      .flatMap((line) => line.split(' ').slice(1, -1));
    for (const path of copied) expect(allowed).toContain(`!${path.replace(/^\.\//, '')}`);
  });
});
