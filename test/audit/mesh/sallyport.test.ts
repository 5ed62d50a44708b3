import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { parseConfig } from '../../../src/app/config.ts';
import { documentSchema } from '../../../src/app/config-schema.ts';
import { buildCluster } from '../../../src/audit/cluster.ts';
import { listMtls } from '../../../src/audit/mesh/list-mtls.ts';
import { meshOf, requiresIdentity } from '../../../src/audit/mesh/mesh.ts';
import { meshRules } from '../../../src/audit/mesh/mesh-rules.ts';
import { DocumentError } from '../../../src/yaml/located.ts';
import { readLenientYaml } from '../../../src/yaml/lenient.ts';
import { inventoryOf, objectOf, workloadNamed } from '../inventory.ts';
import { termsOf } from '../terms.ts';
import {
  configMap,
  deployment,
  modesOf,
  namespace,
  OPTIONS,
  outcomesOf,
  saidOf,
  service,
  settingOf,
  SIDECARS,
  sourceOf,
  verdictsOf,
  type Body,
} from './setting.ts';

const REGISTRY = 'ml/registry[Deployment]';
const PATH = '/etc/sallyport/config';
const LISTENER = `  - name: registry
    bind: 0.0.0.0:8443
    component: registry
    upstream: http://127.0.0.1:5000
`;

const ENFORCED = 'policy: { path: /etc/sallyport/policy }\n';

function textOf(listeners = LISTENER, more = ''): string {
  const policy = more.includes('policy:') ? '' : ENFORCED;
  return `trustDomain: ai.example\n${policy}${more}listeners:\n${listeners}`;
}

function config(listeners = LISTENER, more = ''): Body {
  return configMap('ml/sallyport-config', { 'sallyport.yaml': textOf(listeners, more) });
}

const SIDECAR = {
  name: 'sallyport',
  image: 'registry.example/sallyport:0.1.0',
  args: ['run', '--config', `${PATH}/sallyport.yaml`],
  ports: [{ containerPort: 8443 }, { containerPort: 9902 }],
  volumeMounts: [{ name: 'config', mountPath: PATH }],
};
const LOOPBACK = { name: 'registry', image: 'mlflow:1', args: ['--host=127.0.0.1', '--port=5000'] };
const VOLUMES = [{ name: 'config', configMap: { name: 'sallyport-config' } }];

interface Terms {
  readonly sidecar?: Body;
  readonly main?: Body;
  readonly volumes?: readonly Body[];
  readonly hostNetwork?: boolean;
}

function registry({ sidecar = {}, main = LOOPBACK, volumes = VOLUMES, hostNetwork = false }: Terms = {}): Body {
  return deployment('registry', { containers: [{ ...SIDECAR, ...sidecar }, main], volumes, hostNetwork });
}

function modeOf(bodies: readonly Body[], port = 8443): string {
  return modesOf([namespace('ml'), ...bodies])[`${REGISTRY}:${port}`] ?? 'no such row';
}

describe('ports that Sallyport guards', () => {
  it('are STRICT, and say who guards them', () => {
    const bodies = [namespace('ml'), registry(), config(LISTENER, 'probes: { bind: 0.0.0.0:9902 }\n')];
    expect(modesOf(bodies)).toEqual({ [`${REGISTRY}:8443`]: 'STRICT', [`${REGISTRY}:9902`]: 'DISABLE' });
    expect(sourceOf(bodies, REGISTRY, 8443)).toBe("Sallyport's listener registry for registry: X.509-SVID of the peer");
    expect(sourceOf(bodies, REGISTRY, 9902)).toBe("Sallyport's probes: metrics and health, in plain HTTP");
    const { mesh, workload } = settingOf(bodies);
    expect(requiresIdentity(mesh, workload(REGISTRY), 8443)).toBe('yes');
    expect(requiresIdentity(mesh, workload(REGISTRY), 9902)).toBe('no');
  });

  it('are there although no container declares them', () => {
    expect(modeOf([registry({ sidecar: { ports: [] } }), config()])).toBe('STRICT');
  });

  it('take tokens, and say so', () => {
    const listener = `${LISTENER}    authenticate: [jwt]\n    jwt: { audiences: [spiffe://ai.example/registry] }\n`;
    expect(sourceOf([namespace('ml'), registry(), config(listener)], REGISTRY, 8443)).toContain(
      'JWT-SVID in every request',
    );
  });

  it('stay STRICT inside of a mesh', () => {
    expect(modesOf([namespace('ml', SIDECARS), registry(), config()])[`${REGISTRY}:8443`]).toBe('STRICT');
  });

  it.each([
    ['by the mount of a directory', {}],
    [
      'by the mount of one file',
      { volumeMounts: [{ name: 'config', mountPath: `${PATH}/sallyport.yaml`, subPath: 'sallyport.yaml' }] },
    ],
    ['by an option with an equals sign', { args: ['run', `--config=${PATH}/sallyport.yaml`] }],
    [
      'by the command',
      {
        command: ['/usr/local/bin/node', '/app/dist/sallyport.js', 'run', '--config', `${PATH}/sallyport.yaml`],
        args: [],
      },
    ],
    ['by the default of the image', { args: [] }],
    ['by its image with a digest', { image: 'registry.example:5000/security/sallyport@sha256:0123', args: [] }],
    ['by its image without a registry', { image: 'sallyport', args: [] }],
  ])('are found %s', (_name, sidecar) => {
    expect(modeOf([registry({ sidecar }), config()])).toBe('STRICT');
  });

  it.each([
    [
      'a projected volume',
      [
        {
          name: 'config',
          projected: { sources: [{ secret: { name: 'x' } }, { configMap: { name: 'sallyport-config' } }] },
        },
      ],
    ],
    [
      'items with their own paths',
      [
        {
          name: 'config',
          configMap: { name: 'sallyport-config', items: [{ key: 'sallyport.yaml', path: 'sallyport.yaml' }] },
        },
      ],
    ],
  ])('are found in %s', (_name, volumes) => {
    expect(modeOf([registry({ volumes }), config()])).toBe('STRICT');
  });

  it('are found in a key of another name', () => {
    const volumes = [
      {
        name: 'config',
        configMap: { name: 'sallyport-config', items: [{ key: 'other.yaml', path: 'sallyport.yaml' }] },
      },
    ];
    const other = configMap('ml/sallyport-config', {
      'other.yaml': textOf(),
    });
    expect(modeOf([registry({ volumes }), other])).toBe('STRICT');
  });

  it.each([
    ['the ConfigMap is not there', [registry()], 'is not there'],
    ['nothing is mounted', [registry({ volumes: [] }), config()], 'no ConfigMap is mounted'],
    [
      'a Secret is mounted',
      [registry({ volumes: [{ name: 'config', secret: { secretName: 'x' } }] }), config()],
      'no ConfigMap is mounted',
    ],
    ['the key is another', [registry(), configMap('ml/sallyport-config', { 'x.yaml': '' })], 'has no key'],
    ['the YAML is broken', [registry(), configMap('ml/sallyport-config', { 'sallyport.yaml': 'a: [' })], 'is refused'],
    [
      'the YAML is one that Sallyport refuses',
      [registry(), configMap('ml/sallyport-config', { 'sallyport.yaml': 'x: &a 1\ny: *a\n' })],
      'is refused',
    ],
    [
      'there are no listeners',
      [registry(), configMap('ml/sallyport-config', { 'sallyport.yaml': 'trustDomain: a\n' })],
      'is refused',
    ],
    [
      'a listener has no upstream',
      [registry(), config('  - { name: a, bind: "0.0.0.0:8443", component: a }\n')],
      'is refused',
    ],
    ['one of two listeners cannot be read', [registry(), config(`${LISTENER}  - { name: b }\n`)], 'is refused'],
    [
      'one of two routes leads nowhere',
      [
        registry(),
        config(
          '  - { name: a, bind: "0.0.0.0:8443", routes: [{ component: a, upstream: "http://127.0.0.1:1" }, { component: b }] }\n',
        ),
      ],
      'is refused',
    ],
    [
      'a listener is of another mode',
      [
        registry(),
        config(
          `${LISTENER}  - { name: b, bind: "0.0.0.0:9", mode: udp, component: a, upstream: "tcp://127.0.0.1:1" }\n`,
        ),
      ],
      'none that there is',
    ],
    [
      'others may go out in its name',
      [
        registry(),
        config(`${LISTENER}  - { name: out, bind: "0.0.0.0:9", mode: egress, allowNonLoopback: true, routes: [] }\n`),
      ],
      'in its name',
    ],
    [
      'the upstream is another server',
      [
        registry(),
        config('  - { name: a, bind: "0.0.0.0:8443", component: a, upstream: "https://x:1", serverId: /x }\n'),
      ],
      'not told here',
    ],
    [
      'a listener binds nothing',
      [registry(), config('  - { name: a, bind: here, component: a, upstream: "http://127.0.0.1:1" }\n')],
      'is refused',
    ],
  ])('are not known where %s', (_name, bodies, why) => {
    expect(modeOf(bodies)).toBe('UNKNOWN');
    expect(saidOf('mesh-sallyport-bypass', [namespace('ml'), ...bodies])).toEqual([
      expect.stringMatching(new RegExp(`^unknown .*${why}`)),
    ]);
  });

  it.each<[string, Body, string]>([
    ['the image is of another program', { image: 'nginx:latest' }, 'is not known to be Sallyport'],
    ['the image only ends like it', { image: 'registry.example/not-sallyport:1' }, 'is not known to be Sallyport'],
    ['there is no image', { image: null }, 'is not known to be Sallyport'],
    ['it sleeps', { command: ['sleep', 'infinity'], args: [] }, 'runs another program, `sleep infinity`'],
    ['it sleeps, with the arguments of Sallyport', { command: ['sleep'] }, 'runs another program'],
    ['a shell runs', { command: ['/bin/sh', '-c', 'run --config /x'], args: [] }, 'runs another program'],
    ['it does another thing', { args: ['policy', 'test'] }, 'does not run it'],
    ['two files are named', { args: ['run', '--config=/a', `--config=${PATH}/sallyport.yaml`] }, 'does not run it'],
    ['the command has no arguments', { command: ['node', '/app/dist/sallyport.js'], args: [] }, 'does not run it'],
  ])('are not known where %s', (_name, sidecar, why) => {
    const bodies = [namespace('ml'), registry({ sidecar }), config()];
    expect(modeOf(bodies)).toBe('UNKNOWN');
    expect(saidOf('mesh-sallyport-bypass', bodies)).toEqual([expect.stringMatching(/^unknown /)]);
    expect(saidOf('mesh-sallyport-bypass', bodies)[0]).toContain(why);
  });

  it('are found behind a container that pretends to be ours', () => {
    const decoy = { ...SIDECAR, name: 'decoy', image: 'nginx:latest', ports: [] };
    const pod = deployment('registry', { containers: [decoy, SIDECAR, LOOPBACK], volumes: VOLUMES });
    expect(modeOf([pod, config()])).toBe('STRICT');
  });

  it('hold nothing in shadow', () => {
    expect(modeOf([registry(), config(LISTENER, 'policy: { path: p, mode: shadow }\n')])).toBe('PERMISSIVE');
  });

  const ROUTES = '    routes: [{ component: a, upstream: "http://127.0.0.1:1" }]\n';
  it.each([
    ['loopback', textOf(LISTENER.replace('0.0.0.0', '127.0.0.1')), 'read by Sallyport'],
    ['loopback of IPv6', textOf(LISTENER.replace('0.0.0.0:8443', '"[::1]:8443"')), 'read by Sallyport'],
    [
      'loopback in another spelling',
      textOf(LISTENER.replace('0.0.0.0:8443', '"[0:0:0:0:0:0:0:1]:8443"')),
      'read by Sallyport',
    ],
    ['mapped loopback', textOf(LISTENER.replace('0.0.0.0:8443', '"[::ffff:127.0.0.1]:8443"')), 'read by Sallyport'],
    ['any port', textOf(LISTENER.replace(':8443', ':0')), 'read by Sallyport'],
    ['no address', textOf(LISTENER.replace('0.0.0.0:8443', '":8443"')), 'refused by Sallyport'],
    ['no address at all', textOf(LISTENER.replace('0.0.0.0:8443', '1.2.3:8443')), 'refused by Sallyport'],
    ['a mode that is none', textOf(LISTENER, 'policy: { path: p, mode: Shadow }\n'), 'refused by Sallyport'],
    ['a policy that is none', textOf(LISTENER, 'policy: { path: p, mode: [shadow] }\n'), 'refused by Sallyport'],
    ['no policy', `trustDomain: ai.example\nlisteners:\n${LISTENER}`, 'refused by Sallyport'],
    ['no path of a policy', textOf(LISTENER, 'policy: { mode: enforce }\n'), 'refused by Sallyport'],
    ['no trust domain', `${ENFORCED}listeners:\n${LISTENER}`, 'refused by Sallyport'],
    ['a trust domain that is none', textOf().replace('ai.example', 'AI_Example!'), 'refused by Sallyport'],
    ['an unknown key', textOf(LISTENER, 'mode: shadow\n'), 'refused by Sallyport'],
    ['an unknown key of the policy', textOf(LISTENER, 'policy: { path: p, modus: shadow }\n'), 'refused by Sallyport'],
    ['an unknown key of a listener', textOf(`${LISTENER}    plaintext: true\n`), 'refused by Sallyport'],
    [
      'an unknown key of a route',
      textOf(`  - name: a\n    bind: 0.0.0.0:8443\n${ROUTES.replace('{ ', '{ open: true, ')}`),
      'refused by Sallyport',
    ],
    ['routes beside an upstream', textOf(`${LISTENER}${ROUTES}`), 'refused by Sallyport'],
    ['authentication by nothing', textOf(`${LISTENER}    authenticate: []\n`), 'refused by Sallyport'],
    ['authentication by something else', textOf(`${LISTENER}    authenticate: [x509, none]\n`), 'refused by Sallyport'],
    ['one port twice', textOf(`${LISTENER}${LISTENER.replace('name: registry', 'name: b')}`), 'refused by Sallyport'],
    ['no component', textOf(LISTENER.replace('    component: registry\n', '')), 'refused by Sallyport'],
    ['an upstream with a path', textOf(LISTENER.replace(':5000', ':5000/x')), 'refused by Sallyport'],
    ['probes that are none', textOf(LISTENER, 'probes: { bind: here }\n'), 'refused by Sallyport'],
  ])('are not known with %s', (_name, text, bySallyport) => {
    expect(modeOf([registry(), configMap('ml/sallyport-config', { 'sallyport.yaml': text })])).toBe('UNKNOWN');
    const own = (): unknown => parseConfig(Buffer.from(text), 'sallyport.yaml');
    if (bySallyport === 'refused by Sallyport') expect(own).toThrow(DocumentError);
    else expect(own()).toBeDefined();
  });

  it.each([
    [
      'a TCP listener',
      '  - { name: a, mode: tcp, bind: "0.0.0.0:8443", component: a, upstream: "tcp://127.0.0.1:1" }\n',
    ],
    ['a way out by a socket', `${LISTENER}  - { name: out, mode: egress, bind: "unix:/run/out.sock", routes: [] }\n`],
    ['a way out on loopback', `${LISTENER}  - { name: out, mode: tcp-egress, bind: "127.0.0.1:9", component: b }\n`],
  ])('are known with %s', (_name, listeners) => {
    expect(modeOf([registry(), config(listeners)])).toBe('STRICT');
  });

  it('are known with every key that Sallyport takes', () => {
    const text = textOf(
      `  - name: all
    bind: 0.0.0.0:8443
    routes: [{ host: a.example, pathPrefix: /a, component: a, upstream: "http://127.0.0.1:1", allowPlaintextUpstream: false }]
    allowPlaintextUpstream: false
    authenticate: [x509, jwt]
    jwt: { audiences: [spiffe://ai.example/a] }
    limits: {}
    leases: {}
`,
      `identity: {}
trust: {}
revocation: {}
policy: { path: p, mode: enforce }
workers: 1
authorization: []
admin: { bind: none }
probes: { bind: 0.0.0.0:9902 }
decisionLog: {}
log: {}
cache: {}
drain: {}
upstream: {}
limits: {}
leases: {}
`,
    );
    expect(Object.keys(parseYaml(text)).sort()).toEqual(Object.keys(documentSchema.shape).sort());
    expect(modeOf([registry(), configMap('ml/sallyport-config', { 'sallyport.yaml': text })])).toBe('STRICT');
  });

  it('are told from ports of others where its configuration is not known', () => {
    const bodies = [namespace('ml'), registry({ main: { ...LOOPBACK, ports: [{ containerPort: 7000 }] } })];
    expect(modesOf(bodies)).toEqual({
      [`${REGISTRY}:7000`]: 'DISABLE',
      [`${REGISTRY}:8443`]: 'UNKNOWN',
      [`${REGISTRY}:9902`]: 'UNKNOWN',
    });
  });

  it("are not taken for another program's that has a `run --config` too", () => {
    const caddy = deployment('web', {
      containers: [
        {
          name: 'caddy',
          image: 'caddy:2',
          command: ['caddy', 'run', '--config', '/etc/caddy/Caddyfile'],
          ports: [{ containerPort: 443 }],
        },
      ],
    });
    const { mesh, workload } = settingOf([namespace('ml'), caddy]);
    expect(mesh.sallyportOf(workload('ml/web[Deployment]'))).toBeNull();
    expect(outcomesOf('mesh-sallyport-bypass', [namespace('ml'), caddy])).toEqual([]);
  });

  it('belong to the workload that has the sidecar, with its components', () => {
    const routes = `  - name: models
    bind: 0.0.0.0:8443
    routes:
      - { host: a.example, component: inference, upstream: "http://127.0.0.1:8000" }
      - { host: b.example, component: inference, upstream: "h2c://127.0.0.1:8001" }
      - { host: c.example, component: registry, upstream: "h2c+unix:/run/registry.sock" }
      - { component: registry, upstream: "unix:/run/registry.sock" }
`;
    const { mesh, workload } = settingOf([namespace('ml'), registry(), config(routes)]);
    expect(mesh.sallyportOf(workload(REGISTRY))?.config).toMatchObject({
      kind: 'read',
      mode: 'enforce',
      listeners: [
        {
          name: 'models',
          port: 8443,
          components: ['inference', 'registry'],
          upstreams: [
            { kind: 'local', port: 8000 },
            { kind: 'local', port: 8001 },
            { kind: 'local', port: null },
            { kind: 'local', port: null },
          ],
          authenticate: ['x509'],
        },
      ],
    });
  });
});

describe('mesh-sallyport-bypass', () => {
  const RULE = 'mesh-sallyport-bypass';
  const said = (bodies: readonly Body[]): readonly string[] => saidOf(RULE, [namespace('ml'), ...bodies]);

  it('passes a service on loopback behind it', () => {
    expect(said([registry(), config(), service('registry', { ports: [{ port: 443, targetPort: 8443 }] })])).toEqual([
      `pass ${REGISTRY}: the only way to the service is through Sallyport`,
    ]);
  });

  it.each([
    ['an address and a port', ['--bind', '127.0.0.1:5000'], 'pass'],
    ['localhost', ['--host', 'localhost'], 'pass'],
    ['the loopback of IPv6', ['--host=[::1]'], 'pass'],
    ['a URL', ['--listen=http://127.0.0.1:5000'], 'pass'],
    ['an option of several words', ['--server.address=127.0.0.1'], 'pass'],
    ['an address with another port', ['--metrics-address=127.0.0.1:9000'], 'unknown'],
    ['nothing', [], 'unknown'],
    ['every address', ['--host=0.0.0.0'], 'fail'],
    ['every address of IPv6', ['--host', '::'], 'fail'],
    ['a star', ['--bind=*:5000'], 'fail'],
    ['the address of the pod', ['--listen-address', '10.0.0.5:5000'], 'fail'],
    ['a shell', ['sh', '-c', 'exec serve --host 127.0.0.1 --port 5000'], 'unknown'],
    ['a shell that opens it', ['sh', '-c', 'exec serve --host 0.0.0.0 --port 5000'], 'fail'],
    ['a script', ['/start.sh', '--host=127.0.0.1'], 'unknown'],
    ['the same address twice', ['--host=127.0.0.1', '--host', '127.0.0.1'], 'pass'],
    ['two addresses', ['--host=127.0.0.1', '--host=0.0.0.0'], 'unknown'],
    ['two addresses, the other way round', ['--host=0.0.0.0', '--host=127.0.0.1'], 'unknown'],
    ['an address beside a bind', ['--host=127.0.0.1', '--bind=0.0.0.0:5000'], 'unknown'],
    ['an address beside a short option', ['--host=127.0.0.1', '-b', '0.0.0.0:5000'], 'unknown'],
    ['an address for another port', ['--host=127.0.0.1', '--metrics-address=0.0.0.0:9000'], 'unknown'],
    ['a port on every address', ['--host=127.0.0.1', '--listen=:9000'], 'unknown'],
    ['an address that cannot be read', ['--host=127.0.0.1', '--bind=$(POD_IP)'], 'unknown'],
    ['the address of a database', ['--db-host=127.0.0.1', '--port=5000'], 'unknown'],
    ['an address beside a database', ['--host=127.0.0.1', '--port=5000', '--db-host=db.example'], 'pass'],
    ['another port', ['--host=127.0.0.1', '--port=6000'], 'unknown'],
    ['two ports', ['--host=127.0.0.1', '--port=5000', '--port=6000'], 'unknown'],
  ])('goes by the arguments of the service: %s', (_name, args, expected) => {
    expect(outcomesOf(RULE, [namespace('ml'), registry({ main: { ...LOOPBACK, args } }), config()])).toEqual([
      `${expected} ${REGISTRY}`,
    ]);
  });

  it.each([
    [{ name: 'HOST', value: '127.0.0.1' }, 'pass'],
    [{ name: 'UVICORN_HOST', value: '0.0.0.0' }, 'fail'],
    [{ name: 'DATABASE_HOST_NAME', value: '127.0.0.1' }, 'unknown'],
    [{ name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }, 'unknown'],
  ])('goes by the environment of the service: %j', (entry, expected) => {
    const main = { name: 'registry', image: 'mlflow:1', env: [entry] };
    expect(outcomesOf(RULE, [namespace('ml'), registry({ main }), config()])).toEqual([`${expected} ${REGISTRY}`]);
  });

  const SECOND = LISTENER.replace('name: registry', 'name: second').replace('8443', '9443').replace('5000', '6000');
  it.each<[string, readonly string[], readonly Body[], string]>([
    ['nothing is said of the second', ['--host=127.0.0.1', '--port=5000'], [], 'unknown'],
    ['no port is said', ['--host=127.0.0.1'], [], 'unknown'],
    [
      'each has its container',
      ['--host=127.0.0.1', '--port=5000'],
      [{ name: 'b', image: 'b', args: ['--bind=127.0.0.1:6000'] }],
      'pass',
    ],
    ['both are said', ['--bind=127.0.0.1:5000', '--listen=127.0.0.1:6000'], [], 'pass'],
  ])('counts what is said for each port: %s', (_name, args, more, expected) => {
    const containers = [SIDECAR, { ...LOOPBACK, args }, ...more];
    const two = deployment('registry', { containers, volumes: VOLUMES });
    expect(outcomesOf(RULE, [namespace('ml'), two, config(`${LISTENER}${SECOND}`)])).toEqual([
      `${expected} ${REGISTRY}`,
    ]);
  });

  it.each<[string, Body, string]>([
    ['passes on', { name: 'x', image: 'socat', args: ['TCP-LISTEN:9000,fork', 'TCP:127.0.0.1:5000'] }, 'unknown'],
    [
      'passes on by a shell',
      { name: 'x', image: 'socat', command: ['sh', '-c', 'socat TCP-LISTEN:9000,fork TCP:127.0.0.1:5000'] },
      'unknown',
    ],
    ['says nothing', { name: 'x', image: 'sidecar:1' }, 'unknown'],
    ['listens on loopback elsewhere', { name: 'x', image: 'x', args: ['--bind=127.0.0.1:7000'] }, 'unknown'],
    ['is the proxy of a mesh', { name: 'istio-proxy', image: 'docker.io/istio/proxyv2:1.27.0' }, 'pass'],
    ['is called like the proxy of a mesh', { name: 'istio-proxy', image: 'socat' }, 'unknown'],
  ])('does not pass where another container %s', (_name, other, expected) => {
    const three = deployment('registry', { containers: [SIDECAR, LOOPBACK, other], volumes: VOLUMES });
    expect(outcomesOf(RULE, [namespace('ml'), three, config()])).toEqual([`${expected} ${REGISTRY}`]);
  });

  it.each([
    [
      'the service declares its port',
      [registry({ main: { ...LOOPBACK, ports: [{ containerPort: 5000 }] } }), config()],
      'container registry declares port 5000',
    ],
    [
      'a Service leads to it',
      [
        registry(),
        config(),
        service('direct', { selector: { app: 'registry' }, ports: [{ port: 80, targetPort: 5000 }] }),
      ],
      'Service direct leads to port 5000',
    ],
    [
      'another port of the pod is open',
      [registry({ main: { ...LOOPBACK, ports: [{ containerPort: 9000 }] } }), config()],
      'container registry declares port 9000',
    ],
    [
      'the upstream is elsewhere',
      [registry(), config(LISTENER.replace('127.0.0.1', '10.0.0.7'))],
      'listener registry forwards to http://10.0.0.7:5000',
    ],
    [
      'the upstream is a name',
      [registry(), config(LISTENER.replace('127.0.0.1', 'registry'))],
      'listener registry forwards to http://registry:5000',
    ],
    [
      'the kubelet reaches the service',
      [registry({ main: { ...LOOPBACK, readinessProbe: { httpGet: { path: '/', port: 5000 } } } }), config()],
      'the kubelet asks port 5000',
    ],
    [
      'the pod is in the network of its node',
      [registry({ hostNetwork: true }), config()],
      'in the network of its node',
    ],
  ])('fails where %s', (_name, bodies, detail) => {
    const lines = said(bodies);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.every((line) => line.startsWith(`fail ${REGISTRY}`))).toBe(true);
    expect(lines.join('\n')).toContain(detail);
  });

  it('is graver where it is the service itself that is open', () => {
    const open = (port: number): Body => registry({ main: { ...LOOPBACK, ports: [{ containerPort: port }] } });
    const severityOf = (body: Body): unknown => verdictsOf(RULE, [namespace('ml'), body, config()])[0]?.severity;
    expect(severityOf(open(5000))).toBeUndefined();
    expect(severityOf(open(9000))).toBe('medium');
  });

  it('lets probes run inside of the container, and metrics of Sallyport be read', () => {
    const main = { ...LOOPBACK, readinessProbe: { exec: { command: ['true'] } } };
    const probes = config(LISTENER, 'probes: { bind: 0.0.0.0:9902 }\n');
    const metrics = service('metrics', { selector: { app: 'registry' }, ports: [{ port: 9902 }] });
    expect(outcomesOf(RULE, [namespace('ml'), registry({ main }), probes, metrics])).toEqual([`pass ${REGISTRY}`]);
  });

  it('has nothing to say about UDP, which it does not forward', () => {
    const main = { ...LOOPBACK, ports: [{ containerPort: 5000, protocol: 'UDP' }] };
    expect(outcomesOf(RULE, [namespace('ml'), registry({ main }), config()])).toEqual([`pass ${REGISTRY}`]);
  });

  it('has nothing to say about a socket of the pod', () => {
    const socket = config(LISTENER.replace('http://127.0.0.1:5000', 'unix:/run/registry.sock'));
    expect(outcomesOf(RULE, [namespace('ml'), registry({ main: { name: 'm', image: 'm' } }), socket])).toEqual([
      `pass ${REGISTRY}`,
    ]);
  });
});

describe('Sallyport inside of a mesh', () => {
  const mesh = [namespace('ml', SIDECARS)];
  const PROBES = 'probes: { bind: 0.0.0.0:9902 }\n';

  it('answers for its own ports, and the mesh for the others', () => {
    const two = registry({ main: { ...LOOPBACK, ports: [{ containerPort: 7000 }] } });
    expect(saidOf('mesh-no-authorization', [...mesh, two, config(LISTENER, PROBES)])).toEqual([
      expect.stringContaining('may ask at port 7000:'),
    ]);
    expect(saidOf('mesh-no-authorization', [...mesh, registry()])).toEqual([
      expect.stringContaining('may ask at ports 8443, 9902:'),
    ]);
  });

  it('is not in the place of a mesh for a port beside it', () => {
    const two = registry({ main: { ...LOOPBACK, ports: [{ containerPort: 7000 }] } });
    const other = [namespace('ml'), namespace('other', SIDECARS), config()];
    const one = registry({ sidecar: { ports: [{ containerPort: 8443 }] } });
    expect(outcomesOf('mesh-sidecar-missing', [...other, one])).toEqual([`pass ${REGISTRY}`]);
    expect(outcomesOf('mesh-sidecar-missing', [...other, two])).toEqual([`fail ${REGISTRY}`]);
  });

  it('is told of beside those in front of whom nothing stands', () => {
    const bodies = [namespace('ml'), registry(), config(LISTENER, PROBES), deployment('bare')];
    expect(verdictsOf('mesh-identity-absent', bodies)[0]?.detail).toBe(
      'no mesh, and nothing makes callers of 1 workload prove who they are, ml/bare[Deployment] among them; Sallyport stands in front of 1 others',
    );
  });

  it('may have its port taken out of the mesh', () => {
    const own = deployment('registry', {
      annotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '8443' },
      containers: [SIDECAR, LOOPBACK],
      volumes: VOLUMES,
    });
    expect(outcomesOf('mesh-port-excluded', [...mesh, own, config()])).toEqual([`pass ${REGISTRY}`]);
  });
});

describe('mesh-sallyport-shadow', () => {
  it.each([
    ['', ['pass ml/sallyport-config[ConfigMap]']],
    ['policy: { path: p, mode: enforce }\n', ['pass ml/sallyport-config[ConfigMap]']],
    ['policy: { path: p, mode: shadow }\n', ['fail ml/sallyport-config[ConfigMap]']],
  ])('%j', (more, expected) => {
    const two = deployment('second', { containers: [SIDECAR, LOOPBACK], volumes: VOLUMES });
    expect(outcomesOf('mesh-sallyport-shadow', [registry(), two, config(LISTENER, more)])).toEqual(expected);
  });
});

describe('our own manifests', () => {
  const folder = new URL('../../../deploy/kubernetes/', import.meta.url);
  const bodies = readdirSync(folder)
    .filter((name) => name !== 'kustomization.yaml')
    .flatMap((name) => readLenientYaml(readFileSync(new URL(name, folder), 'utf8')))
    .map((document) => (document.kind === 'value' ? document.value : null));
  const cluster = buildCluster(inventoryOf(bodies.map((body) => objectOf(body))));

  it('have no finding about meshes', () => {
    const verdicts = meshRules.flatMap((rule) => [...rule.evaluate(cluster, termsOf().context)]);
    expect(verdicts.filter(({ verdict }) => verdict !== 'pass').map(({ detail }) => detail)).toEqual([]);
    expect(verdicts.length).toBeGreaterThan(2);
  });

  it('guard the registry', () => {
    expect(listMtls(cluster, OPTIONS).map(({ workload, port, mode }) => [workload, port, mode])).toEqual([
      ['ai-registry/registry[Deployment]', 8443, 'STRICT'],
      ['ai-registry/registry[Deployment]', 9902, 'DISABLE'],
    ]);
    const mesh = meshOf(cluster, OPTIONS);
    expect(requiresIdentity(mesh, workloadNamed(cluster, 'ai-registry/registry[Deployment]'), 8443)).toBe('yes');
  });
});
