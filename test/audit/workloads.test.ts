import { describe, expect, it } from 'vitest';
import { clusterOf, workloadNamed } from './inventory.ts';

const POD_SPEC = `
      serviceAccountName: trainer
      initContainers:
        - { name: fetch, image: fetch:1 }
        - { name: proxy, image: proxy:1, restartPolicy: Always }
      containers:
        - name: main
          image: main:1
          ports: [{ name: http, containerPort: 8080 }, { containerPort: 9000, protocol: UDP, hostPort: 9000 }]`;

function deployment(name: string, extra = ''): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ml }
spec:
  ${extra === '' ? 'replicas: 3' : extra}
  template:
    metadata: { labels: { app: ${name} }, annotations: { note: x } }
    spec:${POD_SPEC}
`;
}

describe('workloads of Kubernetes', () => {
  it('reads a template in full', () => {
    const workload = workloadNamed(clusterOf(deployment('web')), 'ml/web[Deployment]');
    expect(workload).toMatchObject({
      namespace: 'ml',
      name: 'web',
      kind: 'Deployment',
      role: null,
      podPath: ['spec', 'template', 'spec'],
      serviceAccount: 'trainer',
      replicas: 3,
      isHostNetwork: false,
      isPartial: null,
    });
    expect([...workload.labels]).toEqual([['app', 'web']]);
    expect([...workload.annotations]).toEqual([['note', 'x']]);
    expect(workload.containers.map(({ name, kind, image }) => [name, kind, image])).toEqual([
      ['fetch', 'init', 'fetch:1'],
      ['proxy', 'sidecar', 'proxy:1'],
      ['main', 'main', 'main:1'],
    ]);
    expect(
      workload.containers[2]?.ports.map(({ name, number, protocol, hostPort }) => [name, number, protocol, hostPort]),
    ).toEqual([
      ['http', 8080, 'TCP', 0],
      [null, 9000, 'UDP', 9000],
    ]);
    expect(workload.object.locate(workload.containers[2]?.path ?? [])).toEqual({
      file: 'cluster.yaml',
      line: 15,
      column: 11,
    });
  });

  it.each([
    ['StatefulSet', 'apps/v1', 'template:', ['spec', 'template', 'spec']],
    ['DaemonSet', 'apps/v1', 'template:', ['spec', 'template', 'spec']],
    ['ReplicaSet', 'apps/v1', 'template:', ['spec', 'template', 'spec']],
    ['Deployment', 'extensions/v1beta1', 'template:', ['spec', 'template', 'spec']],
    ['ReplicationController', 'v1', 'template:', ['spec', 'template', 'spec']],
    ['DeploymentConfig', 'apps.openshift.io/v1', 'template:', ['spec', 'template', 'spec']],
    ['Rollout', 'argoproj.io/v1alpha1', 'template:', ['spec', 'template', 'spec']],
    ['Job', 'batch/v1', 'template:', ['spec', 'template', 'spec']],
    [
      'CronJob',
      'batch/v1',
      'jobTemplate: { spec: { template: HERE } }',
      ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
    ],
    ['Service', 'serving.knative.dev/v1', 'template:', ['spec', 'template', 'spec']],
    ['Notebook', 'kubeflow.org/v1', 'template:', ['spec', 'template', 'spec']],
    ['Viewer', 'kubeflow.org/v1beta1', 'podTemplateSpec:', ['spec', 'podTemplateSpec', 'spec']],
  ])('S7 finds the template of a %s of %s', (kind, apiVersion, place, path) => {
    const template = '{ spec: { containers: [{ name: main, image: main:1 }] } }';
    const spec = place.includes('HERE') ? place.replace('HERE', template) : `${place} ${template}`;
    const cluster = clusterOf(`
apiVersion: ${apiVersion}
kind: ${kind}
metadata: { name: x, namespace: ml }
spec: { ${spec} }
`);
    expect(workloadNamed(cluster, `ml/x[${kind}]`)).toMatchObject({ podPath: path, isPartial: null });
    expect(cluster.malformed).toEqual([]);
  });

  it('S7 keeps what is scaled to nothing', () => {
    expect(workloadNamed(clusterOf(deployment('web', 'replicas: 0')), 'ml/web[Deployment]').replicas).toBe(0);
  });

  it('takes the deprecated name of the service account, and the default one where none is given', () => {
    const pod = (name: string, account: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec: { ${account} containers: [{ name: main, image: main:1 }] }
`;
    const cluster = clusterOf(
      [pod('old', 'serviceAccount: legacy,'), pod('none', ''), pod('empty', 'serviceAccountName: "",')].join('---\n'),
    );
    expect(cluster.workloads.map(({ ref, serviceAccount }) => [ref, serviceAccount])).toEqual([
      ['default/empty[Pod]', 'default'],
      ['default/none[Pod]', 'default'],
      ['default/old[Pod]', 'legacy'],
    ]);
  });

  it('S9 reads containers whose parts are null', () => {
    const cluster = clusterOf(`
apiVersion: v1
kind: Pod
metadata: { name: x, namespace: ml, labels: null }
spec:
  securityContext: null
  initContainers: null
  containers: [{ name: main, image: null, securityContext: null, resources: null, ports: null }]
`);
    const workload = workloadNamed(cluster, 'ml/x[Pod]');
    expect(workload.containers).toHaveLength(1);
    expect(workload.containers[0]?.image).toBeNull();
    expect(workload.podSpec.get('securityContext', 'runAsUser').asInteger()).toBeNull();
    expect(cluster.malformed).toEqual([]);
  });

  it('notes a template without containers', () => {
    const cluster = clusterOf('apiVersion: v1\nkind: Pod\nmetadata: { name: x }\nspec: { containers: null }\n');
    expect(cluster.malformed).toMatchObject([{ path: ['spec', 'containers'], found: 'null' }]);
  });

  it('names two objects of one name apart, and takes the same one given twice for one', () => {
    const cluster = clusterOf([deployment('web'), deployment('web'), deployment('web', 'replicas: 5')].join('---\n'));
    expect(cluster.workloads.map(({ ref, replicas }) => [ref, replicas])).toEqual([
      ['ml/web[Deployment]', 3],
      ['ml/web[Deployment/2]', 5],
    ]);
  });

  it('takes the name that a job will have for its beginning', () => {
    const cluster = clusterOf(`
apiVersion: batch/v1
kind: Job
metadata: { generateName: train-, namespace: ml }
spec: { template: { spec: { containers: [{ name: main, image: main:1 }] } } }
`);
    expect(workloadNamed(cluster, 'ml/train-[Job]').labels.size).toBe(0);
  });
});

function pod(name: string, extra: string, rest = ''): string {
  return `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: ml
  ${extra}
spec: { serviceAccountName: trainer, containers: [{ name: main, image: main:1 }]${rest} }
`;
}

function owned(kind: string, name: string, apiVersion = 'apps/v1'): string {
  return `ownerReferences: [{ apiVersion: ${apiVersion}, kind: ${kind}, name: ${name}, controller: true }]`;
}

describe('running pods', () => {
  it('S7 folds replicas into the template of the highest owner that is there', () => {
    const replicaSet = `
apiVersion: apps/v1
kind: ReplicaSet
metadata: { name: web-1, namespace: ml, ${owned('Deployment', 'web')} }
spec: { template: { spec: { serviceAccountName: trainer, containers: [{ name: main, image: main:1 }] } } }
`;
    const pods = ['a', 'b', 'c'].map((name) => pod(`web-1-${name}`, owned('ReplicaSet', 'web-1')));
    const cluster = clusterOf([deployment('web'), replicaSet, ...pods].join('---\n'));
    expect(cluster.workloads.map(({ ref }) => ref)).toEqual(['ml/web[Deployment]']);
    expect(cluster.workloads[0]?.pods.map(({ name }) => name)).toEqual(['web-1-a', 'web-1-b', 'web-1-c']);
  });

  it('S7 takes pods of an absent owner for one workload, by the name of the Deployment above', () => {
    const extra = `${owned('ReplicaSet', 'web-5d8')}\n  labels: { pod-template-hash: 5d8 }`.replace('5d8 }', '"5d8" }');
    const cluster = clusterOf(['web-5d8-a', 'web-5d8-b'].map((name) => pod(name, extra)).join('---\n'));
    expect(cluster.workloads.map(({ ref, replicas, apiVersion }) => [ref, replicas, apiVersion])).toEqual([
      ['ml/web[Deployment]', 2, 'apps/v1'],
    ]);
  });

  it('keeps pods of one absent owner apart that were made from different templates', () => {
    const revision = (hash: string): string =>
      `${owned('StatefulSet', 'db')}\n  labels: { controller-revision-hash: ${hash} }`;
    const cluster = clusterOf([pod('db-0', revision('db-x')), pod('db-1', revision('db-y'))].join('---\n'));
    expect(cluster.workloads.map(({ ref }) => ref)).toEqual(['ml/db[StatefulSet]', 'ml/db[StatefulSet/2]']);
  });

  it('S7 leaves out pods and jobs that have ended, and counts them', () => {
    const ended = ['Succeeded', 'Failed'].map(
      (phase) => `${pod(`p-${phase.toLowerCase()}`, '')}status: { phase: ${phase} }\n`,
    );
    const job = `
apiVersion: batch/v1
kind: Job
metadata: { name: done, namespace: ml }
spec: { template: { spec: { containers: [{ name: main, image: main:1 }] } } }
status: { conditions: [{ type: Complete, status: "True" }] }
`;
    const cluster = clusterOf([...ended, job, `${pod('running', '')}status: { phase: Running }\n`].join('---\n'));
    expect(cluster.workloads.map(({ ref }) => ref)).toEqual(['ml/running[Pod]']);
    expect(cluster.finished.map(({ name }) => name)).toEqual(['done', 'p-failed', 'p-succeeded']);
  });

  it('keeps a pod that still runs though its job has ended', () => {
    const job = `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: { name: done, namespace: ml }
spec: { pytorchReplicaSpecs: { Worker: { template: { spec: { containers: [{ name: pytorch, image: a:1 }] } } } } }
status: { conditions: [{ type: Succeeded, status: "True" }] }
`;
    const cluster = clusterOf(
      [job, pod('done-worker-0', owned('PyTorchJob', 'done', 'kubeflow.org/v1'))].join('---\n'),
    );
    expect(cluster.workloads.map(({ ref }) => ref)).toEqual(['ml/done[PyTorchJob]']);
    expect(cluster.workloads[0]?.object.kind).toBe('Pod');
  });

  it('keeps a static pod, whose owner is a node', () => {
    const cluster = clusterOf(pod('kube-proxy-n1', owned('Node', 'n1', 'v1')));
    expect(cluster.workloads.map(({ ref }) => ref)).toEqual(['ml/kube-proxy-n1[Pod]']);
  });

  it('does not take an object of the same name for the owner when its uid is another', () => {
    const reference =
      'ownerReferences: [{ apiVersion: apps/v1, kind: StatefulSet, name: db, uid: old, controller: true }]';
    const statefulSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: ml, uid: new }
spec: { template: { spec: { containers: [{ name: main, image: main:1 }] } } }
`;
    const cluster = clusterOf([statefulSet, pod('db-0', reference)].join('---\n'));
    expect(cluster.workloads.map(({ ref }) => ref)).toEqual(['ml/db[StatefulSet]', 'ml/db[StatefulSet/2]']);
  });

  it('S8 keeps a pod into which somebody put an ephemeral container beside its template', () => {
    const debugged = pod(
      'web-1',
      owned('Deployment', 'web'),
      ', ephemeralContainers: [{ name: debugger, image: sh:1 }]',
    );
    const cluster = clusterOf([deployment('web'), debugged].join('---\n'));
    expect(cluster.workloads.map(({ ref, containers }) => [ref, containers.map(({ kind }) => kind)])).toEqual([
      ['ml/web[Deployment]', ['init', 'sidecar', 'main']],
      ['ml/web-1[Pod]', ['main', 'ephemeral']],
    ]);
  });

  it('takes the controller among several owners', () => {
    const owners = `ownerReferences: [{ apiVersion: v1, kind: ConfigMap, name: c }, { apiVersion: apps/v1, kind: Deployment, name: web, controller: true }]`;
    const cluster = clusterOf([deployment('web'), pod('web-1', owners)].join('---\n'));
    expect(cluster.workloads.map(({ ref, pods }) => [ref, pods.length])).toEqual([['ml/web[Deployment]', 1]]);
  });

  it('gives each pod to the template that it has the labels of', () => {
    const template = '{ spec: { serviceAccountName: trainer, containers: [{ name: main, image: main:1 }] } }';
    const cluster = clusterOf(
      [
        `
apiVersion: ray.io/v1
kind: RayCluster
metadata: { name: x, namespace: ml }
spec: { headGroupSpec: { template: ${template} }, workerGroupSpecs: [{ groupName: gpu, template: ${template} }] }
`,
        ...['head', 'gpu', 'gpu', 'other'].map((group, index) => {
          const type = group === 'head' ? 'head, ray.io/group: headgroup' : `worker, ray.io/group: ${group}`;
          const labels = `labels: { ray.io/cluster: x, ray.io/node-type: ${type}, ray.io/is-ray-node: "yes", app.kubernetes.io/name: kuberay, app.kubernetes.io/created-by: kuberay-operator }`;
          return pod(`x-${index}`, `${owned('RayCluster', 'x', 'ray.io/v1')}\n  ${labels}`);
        }),
      ].join('---\n'),
    );
    expect(cluster.workloads.map(({ ref, pods }) => [ref, pods.map(({ name }) => name)])).toEqual([
      ['ml/x[RayCluster/head]', ['x-0']],
      ['ml/x[RayCluster/gpu]', ['x-1', 'x-2']],
    ]);
  });

  it.each<[string, string, string, string, string]>([
    [
      'a workflow',
      'argoproj.io/v1alpha1',
      'Workflow',
      'templates: [{ name: a, container: { image: a:1 } }]',
      'phase: Error',
    ],
    [
      'a Spark application',
      'sparkoperator.k8s.io/v1beta2',
      'SparkApplication',
      'driver: {}',
      'applicationState: { state: COMPLETED }',
    ],
    [
      'a Volcano job',
      'batch.volcano.sh/v1alpha1',
      'Job',
      'tasks: [{ template: { spec: { containers: [{ name: m }] } } }]',
      'state: { phase: Aborted }',
    ],
    [
      'a JobSet',
      'jobset.x-k8s.io/v1alpha2',
      'JobSet',
      'replicatedJobs: [{ name: a }]',
      'conditions: [{ type: Failed, status: "True" }]',
    ],
    [
      'a RayJob whose cluster goes with it',
      'ray.io/v1',
      'RayJob',
      'shutdownAfterJobFinishes: true, rayClusterSpec: {}',
      'jobDeploymentStatus: Complete',
    ],
  ])('S7 leaves out %s that has ended', (_name, apiVersion, kind, spec, status) => {
    const text = (state: string): string =>
      `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: x, namespace: ml }\nspec: { ${spec} }\nstatus: { ${state} }\n`;
    expect(clusterOf(text(status))).toMatchObject({ workloads: [], finished: [{ name: 'x' }] });
    expect(clusterOf(text('other: 1')).workloads.length).toBeGreaterThan(0);
  });

  it.each([
    ['a RayJob whose cluster stays', 'ray.io/v1', 'RayJob', 'rayClusterSpec: {}', 'jobDeploymentStatus: Complete'],
    ['a job that has not failed', 'batch/v1', 'Job', 'template: {}', 'conditions: [{ type: Failed, status: "False" }]'],
    ['a suspended job', 'batch/v1', 'Job', 'template: {}', 'conditions: [{ type: Suspended, status: "True" }]'],
  ])('keeps %s', (_name, apiVersion, kind, spec, status) => {
    const text = `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: x, namespace: ml }\nspec: { ${spec} }\nstatus: { ${status} }\n`;
    expect(clusterOf(text).workloads).toHaveLength(1);
  });

  it('hides nothing in a ring of owners', () => {
    const ring = (name: string, owner: string): string => pod(name, owned('Pod', owner, 'v1'));
    const { workloads } = clusterOf([ring('a', 'b'), ring('b', 'a'), ring('c', 'c'), ring('d', 'a')].join('---\n'));
    const seen = workloads.flatMap(({ object, pods }) => [object, ...pods]).map(({ name }) => name);
    expect([...new Set(seen)].sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('hides nothing at the end of a chain that is too long to follow', () => {
    const links = Array.from({ length: 20 }, (_, index) => pod(`p-${index}`, owned('Pod', `p-${index + 1}`, 'v1')));
    const { workloads } = clusterOf(links.join('---\n'));
    const seen = workloads.flatMap(({ object, pods }) => [object, ...pods]).map(({ name }) => name);
    expect(new Set(seen).size).toBe(20);
  });

  const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ml }
spec:
  template:
    spec:
      serviceAccountName: web
      volumes: [{ name: log, hostPath: { path: /var/log } }]
      containers: [{ name: main, image: main:1, securityContext: { capabilities: { add: [CHOWN] } } }]
`;
  const claiming = (spec: string, name = 'web-1'): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ml, ${owned('Deployment', 'web')} }
spec: { serviceAccountName: web, ${spec} }
`;
  const MAIN = '{ name: main, image: main:1 }';

  it.each([
    ['the network of the node', `hostNetwork: true, containers: [${MAIN}]`],
    ['the processes of the node', `hostPID: true, containers: [${MAIN}]`],
    ['the memory of the node', `hostIPC: true, containers: [${MAIN}]`],
    ['another service account', `serviceAccountName: admin, containers: [${MAIN}]`],
    ['another path of the node', `volumes: [{ name: r, hostPath: { path: / } }], containers: [${MAIN}]`],
    [
      'a privileged container',
      `containers: [${MAIN}, { name: new, image: a:1, securityContext: { privileged: true } }]`,
    ],
    [
      'a capability',
      'containers: [{ name: main, image: main:1, securityContext: { capabilities: { add: [SYS_ADMIN] } } }]',
    ],
  ])('does not fold a pod that has more than its template: %s', (_name, spec) => {
    const text = spec.includes('admin') ? claiming(spec).replace('serviceAccountName: web, ', '') : claiming(spec);
    const { workloads } = clusterOf([WEB, text].join('---\n'));
    expect(workloads.map(({ ref, object, pods }) => [ref, object.kind, pods.length])).toEqual([
      ['ml/web[Deployment]', 'Deployment', 0],
      ['ml/web[Deployment/2]', 'Pod', 1],
    ]);
  });

  it('folds a pod into which a sidecar was put', () => {
    const capable = 'securityContext: { capabilities: { add: [NET_ADMIN] } }';
    const spec = `initContainers: [{ name: istio-init, image: i:1, ${capable} }], containers: [${MAIN}, { name: istio-proxy, image: p:1 }]`;
    const { workloads } = clusterOf([WEB, claiming(spec)].join('---\n'));
    expect(workloads.map(({ ref, pods }) => [ref, pods.length])).toEqual([['ml/web[Deployment]', 1]]);
  });

  it('does not let a harmless pod stand for another of the same absent owner', () => {
    const pods = [
      claiming(`containers: [${MAIN}]`, 'web-1'),
      claiming(`containers: [${MAIN}]`, 'web-2'),
      claiming(`containers: [{ name: main, image: main:1, securityContext: { privileged: true } }]`, 'web-3'),
    ];
    expect(clusterOf(pods.join('---\n')).workloads.map(({ ref, pods }) => [ref, pods.map(({ name }) => name)])).toEqual(
      [
        ['ml/web[Deployment]', ['web-1', 'web-2']],
        ['ml/web[Deployment/2]', ['web-3']],
      ],
    );
  });

  it('takes what an old ReplicaSet had for history, unless it still has pods', () => {
    const old = (replicas: number): string => `
apiVersion: apps/v1
kind: ReplicaSet
metadata: { name: web-old, namespace: ml, ${owned('Deployment', 'web')} }
spec: { replicas: ${replicas}, template: { spec: { hostNetwork: true, serviceAccountName: web, containers: [${MAIN}] } } }
`;
    const refs = (replicas: number): readonly string[] =>
      clusterOf([WEB, old(replicas)].join('---\n')).workloads.map(({ ref }) => ref);
    expect(refs(0)).toEqual(['ml/web[Deployment]']);
    expect(refs(1)).toEqual(['ml/web[Deployment]', 'ml/web-old[ReplicaSet]']);
  });

  it('folds nothing into a template of which not all is given, and keeps a debugged pod for itself', () => {
    const model = `apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: { name: m, namespace: ml }\nspec: { predictor: { model: {} } }\n`;
    const cache = `apiVersion: x.example/v1\nkind: Cache\nmetadata: { name: c, namespace: ml, ${owned('InferenceService', 'm', 'serving.kserve.io/v1beta1')} }\nspec: { podSpec: { hostNetwork: true, containers: [${MAIN}] } }\n`;
    expect(clusterOf([model, cache].join('---\n')).workloads.map(({ ref }) => ref)).toEqual([
      'ml/c[Cache]',
      'ml/m[InferenceService]',
    ]);
    const debugged = ['a', 'b'].map((name) =>
      pod(`gone-${name}`, owned('ReplicaSet', 'gone'), ', ephemeralContainers: [{ name: debugger, image: sh:1 }]'),
    );
    expect(clusterOf(debugged.join('---\n')).workloads.map(({ ref }) => ref)).toEqual([
      'ml/gone-a[Pod]',
      'ml/gone-b[Pod]',
    ]);
  });

  it('leaves the template of a rollout in the Deployment that it names', () => {
    const rollout = `apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: { name: r, namespace: ml }\nspec: { workloadRef: { apiVersion: apps/v1, kind: Deployment, name: web } }\n`;
    const cluster = clusterOf([WEB, rollout].join('---\n'));
    expect(cluster.workloads.map(({ ref }) => ref)).toEqual(['ml/web[Deployment]']);
    expect(cluster.malformed).toEqual([]);
  });

  it('loses nothing that is owned by what was outdone', () => {
    const reference = (kind: string, name: string): string =>
      `ownerReferences: [{ apiVersion: serving.kserve.io/v1beta1, kind: ${kind}, name: ${name}, controller: true }]`;
    const spec = '{ containers: [{ name: main, image: main:1 }] }';
    const texts = [
      `apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: { name: m, namespace: ml }\nspec: { predictor: { model: {} } }\n`,
      `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: m-predictor, namespace: ml, ${reference('InferenceService', 'm')} }\nspec: { template: { spec: ${spec} } }\n`,
      `apiVersion: x.example/v1\nkind: Cache\nmetadata: { name: m-cache, namespace: ml, ${reference('InferenceService', 'm')} }\nspec: { podSpec: ${spec} }\n`,
    ];
    expect(clusterOf(texts.join('---\n')).workloads.map(({ ref }) => ref)).toEqual([
      'ml/m-cache[Cache]',
      'ml/m-predictor[Deployment]',
    ]);
  });
});
