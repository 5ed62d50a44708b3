import { describe, expect, it } from 'vitest';
import type { Workload } from '../../src/audit/workload.ts';
import { clusterOf, workloadNamed } from './inventory.ts';

function describeAll(text: string): readonly unknown[] {
  return clusterOf(text).workloads.map(describeOne);
}

function describeOne({ ref, containers, podPath }: Workload): unknown {
  return [ref, containers.map(({ name, image }) => `${name} ${image ?? '?'}`), podPath.join('.')];
}

const TEMPLATE = '{ metadata: { labels: { team: ml } }, spec: { containers: [{ name: main, image: main:1 }] } }';
const CLUSTER = `{ headGroupSpec: { template: ${TEMPLATE} }, workerGroupSpecs: [
    { groupName: gpu, replicas: 4, numOfHosts: 2, template: ${TEMPLATE} }, { groupName: cpu, minReplicas: 1, template: ${TEMPLATE} }] }`;

function object(apiVersion: string, kind: string, spec: string, metadata = ''): string {
  return `
apiVersion: ${apiVersion}
kind: ${kind}
metadata: { name: x, namespace: ml${metadata} }
spec: ${spec}
`;
}

describe('S7 workloads of Ray', () => {
  it('finds head and workers of a RayCluster, with the labels that the operator gives', () => {
    const cluster = clusterOf(object('ray.io/v1', 'RayCluster', CLUSTER));
    expect(cluster.workloads.map(({ ref, replicas }) => [ref, replicas])).toEqual([
      ['ml/x[RayCluster/head]', 1],
      ['ml/x[RayCluster/gpu]', 8],
      ['ml/x[RayCluster/cpu]', 1],
    ]);
    expect(cluster.workloads.map(({ containers }) => containers.length)).toEqual([1, 1, 1]);
    const gpu = workloadNamed(cluster, 'ml/x[RayCluster/gpu]');
    expect(Object.fromEntries(gpu.labels)).toMatchObject({
      team: 'ml',
      'ray.io/cluster': 'x',
      'ray.io/node-type': 'worker',
      'ray.io/group': 'gpu',
    });
    expect(gpu.podPath).toEqual(['spec', 'workerGroupSpecs', 0, 'template', 'spec']);
  });

  it.each([
    [
      'RayJob',
      `{ rayClusterSpec: ${CLUSTER}, submitterPodTemplate: ${TEMPLATE} }`,
      ['head', 'gpu', 'cpu', 'submitter'],
    ],
    ['RayCronJob', `{ schedule: "0 * * * *", jobTemplate: { rayClusterSpec: ${CLUSTER} } }`, ['head', 'gpu', 'cpu']],
    ['RayService', `{ rayClusterConfig: ${CLUSTER} }`, ['head', 'gpu', 'cpu']],
  ])('finds those of a %s', (kind, spec, roles) => {
    expect(clusterOf(object('ray.io/v1', kind, spec)).workloads.map(({ role }) => role)).toEqual(roles);
  });

  it('gives no cluster to a RayJob that selects one, and misses one that has neither', () => {
    const selects = clusterOf(object('ray.io/v1', 'RayJob', '{ clusterSelector: { ray.io/cluster: other } }'));
    expect([selects.workloads, selects.unseen]).toEqual([[], []]);
    expect(clusterOf(object('ray.io/v1', 'RayJob', '{ entrypoint: python a.py }')).unseen).toMatchObject([
      { ref: 'ml/x[RayJob]', at: ['spec'] },
    ]);
  });

  it('puts the autoscaler into the pod of the head, with the image of the head', () => {
    const spec = CLUSTER.replace(
      '{ head',
      '{ enableInTreeAutoscaling: true, autoscalerOptions: { securityContext: {} }, head',
    );
    const head = workloadNamed(clusterOf(object('ray.io/v1', 'RayCluster', spec)), 'ml/x[RayCluster/head]');
    expect(head.containers.map(({ name, image, path }) => [name, image, path.join('.')])).toEqual([
      ['main', 'main:1', 'spec.headGroupSpec.template.spec.containers.0'],
      ['autoscaler', 'main:1', 'spec.autoscalerOptions'],
    ]);
  });
});

describe('S7 workloads of Kubeflow', () => {
  it.each([
    ['PyTorchJob', 'pytorchReplicaSpecs', ['Master', 'Worker']],
    ['TFJob', 'tfReplicaSpecs', ['Chief', 'PS', 'Worker']],
    ['MPIJob', 'mpiReplicaSpecs', ['Launcher', 'Worker']],
    ['XGBoostJob', 'xgbReplicaSpecs', ['Master', 'Worker']],
    ['PaddleJob', 'paddleReplicaSpecs', ['Master', 'Worker']],
    ['JAXJob', 'jaxReplicaSpecs', ['Worker']],
  ])('finds every replica type of a %s', (kind, key, types) => {
    const specs = types.map((type) => `${type}: { replicas: 2, template: ${TEMPLATE} }`).join(', ');
    const { workloads } = clusterOf(object('kubeflow.org/v1', kind, `{ ${key}: { ${specs} } }`));
    expect(
      workloads.map(({ role, replicas, labels }) => [role, replicas, labels.get('training.kubeflow.org/job-name')]),
    ).toEqual(types.map((type) => [types.length === 1 ? null : type.toLowerCase(), 2, 'x']));
    expect(workloads[0]?.podPath).toEqual(['spec', key, types[0], 'template', 'spec']);
  });

  it('judges of a TrainJob what it gives itself, and says what gives the rest', () => {
    const spec = `{ runtimeRef: { name: torch }, trainer: { image: train:1, env: [{ name: A, value: b }], numNodes: 4 },
    initializer: { dataset: { storageUri: "hf://x", env: [{ name: HF_TOKEN, value: t }] } } }`;
    const cluster = clusterOf(object('trainer.kubeflow.org/v1alpha1', 'TrainJob', spec));
    expect(cluster.workloads.map(describeOne)).toEqual([
      ['ml/x[TrainJob/node]', ['node train:1'], 'spec'],
      ['ml/x[TrainJob/dataset-initializer]', ['dataset-initializer ?'], 'spec'],
    ]);
    const [node] = cluster.workloads;
    expect([node?.replicas, node?.isPartial]).toEqual([4, 'its pods are made from ClusterTrainingRuntime `torch`']);
    expect(node?.containers[0]?.field.get('env', 0, 'value').path).toEqual(['spec', 'trainer', 'env', 0, 'value']);
    expect(cluster.malformed).toEqual([]);
  });

  it('prefers the JobSet that was made from a TrainJob', () => {
    const reference = `, ownerReferences: [{ apiVersion: trainer.kubeflow.org/v1alpha1, kind: TrainJob, name: x, controller: true }]`;
    const jobSet = object(
      'jobset.x-k8s.io/v1alpha2',
      'JobSet',
      `{ replicatedJobs: [{ name: node, replicas: 2, template: { spec: { parallelism: 3, template: ${TEMPLATE} } } }] }`,
      reference,
    );
    const trainJob = object('trainer.kubeflow.org/v1alpha1', 'TrainJob', '{ runtimeRef: { name: torch } }');
    const { workloads } = clusterOf([trainJob, jobSet].join('---\n'));
    expect(workloads.map(({ ref, replicas, isPartial }) => [ref, replicas, isPartial])).toEqual([
      ['ml/x[JobSet]', 6, null],
    ]);
  });

  it('shows runtimes as blueprints, which are no workloads', () => {
    const spec = `{ template: { spec: { replicatedJobs: [{ name: node, template: { spec: { template: ${TEMPLATE} } } }] } } }`;
    const cluster = clusterOf(
      [
        object('trainer.kubeflow.org/v1alpha1', 'TrainingRuntime', spec),
        object('trainer.kubeflow.org/v1alpha1', 'ClusterTrainingRuntime', spec).replace(', namespace: ml', ''),
        object(
          'serving.kserve.io/v1alpha1',
          'ServingRuntime',
          '{ containers: [{ name: kserve-container, image: vllm:1 }] }',
        ),
      ].join('---\n'),
    );
    expect(cluster.workloads).toEqual([]);
    expect(cluster.blueprints.map(({ ref }) => ref)).toEqual([
      'x[ClusterTrainingRuntime]',
      'ml/x[ServingRuntime]',
      'ml/x[TrainingRuntime]',
    ]);
  });

  it('copies the labels of a notebook to its pod', () => {
    const notebook = object('kubeflow.org/v1', 'Notebook', `{ template: ${TEMPLATE} }`, ', labels: { app: book }');
    expect(Object.fromEntries(clusterOf(notebook).workloads[0]?.labels ?? [])).toEqual({
      team: 'ml',
      app: 'book',
      'notebook-name': 'x',
      statefulset: 'x',
    });
  });

  it('reads the trials of an experiment as the objects they are', () => {
    const trial = `{ apiVersion: kubeflow.org/v1, kind: PyTorchJob, spec: { pytorchReplicaSpecs: { Worker: { template: ${TEMPLATE} } } } }`;
    expect(
      describeAll(object('kubeflow.org/v1beta1', 'Experiment', `{ trialTemplate: { trialSpec: ${trial} } }`)),
    ).toEqual([
      [
        'ml/x[Experiment]',
        ['main main:1'],
        'spec.trialTemplate.trialSpec.spec.pytorchReplicaSpecs.Worker.template.spec',
      ],
    ]);
  });

  it('reads the executors of a pipeline, which are containers without pods', () => {
    const spec = `{ pipelineSpec: { deploymentSpec: { executors: {
      exec-train: { container: { image: train:1, command: [python], env: [{ name: A, value: b }] } },
      exec-import: { importer: {} } } } } }`;
    expect(describeAll(object('pipelines.kubeflow.org/v2beta1', 'PipelineVersion', spec))).toEqual([
      ['ml/x[PipelineVersion]', ['main train:1'], 'spec.pipelineSpec.deploymentSpec.executors.exec-train'],
    ]);
  });
});

describe('S7 workloads of KServe', () => {
  it('reads a custom predictor in full', () => {
    const spec = `{ predictor: { serviceAccountName: models, containers: [{ name: kserve-container, image: vllm:1 }] } }`;
    const [workload] = clusterOf(object('serving.kserve.io/v1beta1', 'InferenceService', spec)).workloads;
    expect(workload).toMatchObject({ ref: 'ml/x[InferenceService]', serviceAccount: 'models', isPartial: null });
  });

  it('knows that a model server has its image from a runtime, and that sidecars have their own', () => {
    const spec = `{
    predictor: { minReplicas: 0, model: { modelFormat: { name: huggingface }, runtime: vllm, env: [{ name: A, value: b }] },
      containers: [{ name: side, image: side:1 }] },
    transformer: { containers: [{ name: kserve-container, image: pre:1 }] } }`;
    const cluster = clusterOf(object('serving.kserve.io/v1beta1', 'InferenceService', spec));
    expect(cluster.workloads.map(describeOne)).toEqual([
      ['ml/x[InferenceService/predictor]', ['kserve-container ?', 'side side:1'], 'spec.predictor'],
      ['ml/x[InferenceService/transformer]', ['kserve-container pre:1'], 'spec.transformer'],
    ]);
    const [predictor, transformer] = cluster.workloads;
    expect([predictor?.isPartial, transformer?.isPartial]).toEqual(['serving runtime `vllm` gives the rest', null]);
    expect(predictor?.containers[0]?.path).toEqual(['spec', 'predictor', 'model']);
    expect(predictor?.replicas).toBe(0);
    expect(predictor?.labels.get('component')).toBe('predictor');
  });

  it('finds the workers of a predictor on several nodes', () => {
    const spec = `{ predictor: { model: { modelFormat: { name: huggingface } }, workerSpec: { pipelineParallelSize: 2 } } }`;
    const { workloads } = clusterOf(object('serving.kserve.io/v1beta1', 'InferenceService', spec));
    expect(workloads.map(({ role, isPartial }) => [role, isPartial])).toEqual([
      ['predictor', 'a serving runtime gives the rest'],
      ['predictor-worker', 'a serving runtime gives the rest'],
    ]);
  });

  it('finds every pod of an LLMInferenceService, none of which is given in full', () => {
    const podSpec = '{ containers: [{ name: main, image: vllm:1 }] }';
    const spec = `{ model: { uri: "hf://x" }, replicas: 2, template: ${podSpec}, worker: ${podSpec},
    prefill: { template: ${podSpec} }, router: { scheduler: { template: ${podSpec} } } }`;
    const { workloads } = clusterOf(object('serving.kserve.io/v1alpha1', 'LLMInferenceService', spec));
    expect(workloads.map(({ role }) => role)).toEqual(['decode', 'worker', 'prefill', 'scheduler']);
    expect(workloads.every(({ isPartial }) => isPartial !== null)).toBe(true);
  });

  it('says so when configurations elsewhere give all of it', () => {
    const { workloads, unseen } = clusterOf(
      object('serving.kserve.io/v1alpha1', 'LLMInferenceService', '{ model: { uri: "hf://x" }, replicas: 1 }'),
    );
    expect(workloads).toEqual([]);
    expect(unseen).toMatchObject([{ ref: 'ml/x[LLMInferenceService]' }]);
  });
});

describe('S7 workloads of Spark', () => {
  const SPEC = `{ image: spark:1, volumes: [{ name: data, hostPath: { path: /data } }],
    driver: { serviceAccount: spark, labels: { app: etl }, securityContext: { privileged: true }, envVars: { KEY: value },
      env: [{ name: A, value: b }] },
    executor: { image: executor:1, instances: 5, hostNetwork: true, sidecars: [{ name: side, image: side:1 }] } }`;

  it('builds the pods of driver and executors', () => {
    const cluster = clusterOf(object('sparkoperator.k8s.io/v1beta2', 'SparkApplication', SPEC));
    expect(cluster.workloads.map(describeOne)).toEqual([
      ['ml/x[SparkApplication/driver]', ['spark-kubernetes-driver spark:1'], 'spec.driver'],
      ['ml/x[SparkApplication/executor]', ['spark-kubernetes-executor executor:1', 'side side:1'], 'spec.executor'],
    ]);
    const [driver, executor] = cluster.workloads;
    expect([driver?.serviceAccount, executor?.serviceAccount, executor?.replicas]).toEqual(['spark', 'spark', 5]);
    expect([driver?.isHostNetwork, executor?.isHostNetwork]).toEqual([false, true]);
    expect(driver?.labels.get('spark-role')).toBe('driver');
    const container = driver?.containers[0]?.field;
    expect(container?.get('securityContext', 'privileged').path).toEqual([
      'spec',
      'driver',
      'securityContext',
      'privileged',
    ]);
    const variables = container?.get('env').asList() ?? [];
    expect(variables.map((variable) => [variable.get('name').asText(), variable.get('value').path.join('.')])).toEqual([
      ['A', 'spec.driver.env.0.value'],
      ['KEY', 'spec.driver.envVars.KEY'],
    ]);
    expect(driver?.podSpec.get('volumes', 0, 'hostPath', 'path').path).toEqual([
      'spec',
      'volumes',
      0,
      'hostPath',
      'path',
    ]);
    expect(cluster.malformed).toEqual([]);
  });

  it('does so on a schedule, and says when properties of Spark change the pods', () => {
    const spec = `{ schedule: "@daily", template: ${SPEC.replace('{ image', '{ sparkConf: { spark.kubernetes.driver.label.a: b }, image')} }`;
    const { workloads } = clusterOf(object('sparkoperator.k8s.io/v1beta2', 'ScheduledSparkApplication', spec));
    expect(workloads.map(({ isPartial }) => isPartial !== null)).toEqual([true, true]);
  });
});

describe('S7 workloads of Argo', () => {
  const SPEC = `{ entrypoint: main, serviceAccountName: flow, hostNetwork: true, volumes: [{ name: w, emptyDir: {} }],
    podMetadata: { labels: { run: nightly } }, securityContext: { runAsNonRoot: true },
    templates: [
      { name: main, steps: [[{ name: a, template: train }], [{ name: b, inline: { container: { image: inline:1 } } }]] },
      { name: train, serviceAccountName: trainer, metadata: { labels: { step: train } }, container: { image: train:1 },
        sidecars: [{ name: side, image: side:1 }], initContainers: [{ name: init, image: init:1 }] },
      { name: script, script: { image: python:3, source: print() } },
      { name: set, containerSet: { containers: [{ name: one, image: one:1 }, { name: two, image: two:1 }] } },
      { name: wait, suspend: {} } ] }`;

  it('finds a pod for every step that has one', () => {
    const cluster = clusterOf(object('argoproj.io/v1alpha1', 'Workflow', SPEC));
    expect(
      cluster.workloads.map(({ role, containers }) => [role, containers.map(({ name, kind }) => `${kind} ${name}`)]),
    ).toEqual([
      ['train', ['init init', 'main main', 'main side']],
      ['script', ['main main']],
      ['set', ['main one', 'main two']],
      ['b', ['main main']],
    ]);
    const train = workloadNamed(cluster, 'ml/x[Workflow/train]');
    expect(train).toMatchObject({ serviceAccount: 'trainer', isHostNetwork: true, podPath: ['spec', 'templates', 1] });
    expect(Object.fromEntries(train.labels)).toEqual({
      run: 'nightly',
      step: 'train',
      'workflows.argoproj.io/workflow': 'x',
    });
    expect(train.podSpec.get('securityContext', 'runAsNonRoot').path).toEqual([
      'spec',
      'securityContext',
      'runAsNonRoot',
    ]);
    expect(train.containers[1]?.field.get('image').path).toEqual(['spec', 'templates', 1, 'container', 'image']);
    expect(workloadNamed(cluster, 'ml/x[Workflow/script]').serviceAccount).toBe('flow');
    expect(cluster.malformed).toEqual([]);
  });

  it('takes from the defaults what a template does not say, and says when a patch changes the pod', () => {
    const spec = `{ templateDefaults: { serviceAccountName: common, securityContext: { runAsNonRoot: true } },
    templates: [{ name: a, container: { image: a:1 } }, { name: b, serviceAccountName: own, podSpecPatch: "hostPID: true", container: { image: b:1 } }] }`;
    const { workloads } = clusterOf(object('argoproj.io/v1alpha1', 'Workflow', spec));
    expect(workloads.map(({ role, serviceAccount, isPartial }) => [role, serviceAccount, isPartial])).toEqual([
      ['a', 'common', null],
      ['b', 'own', '`podSpecPatch` changes the pod'],
    ]);
    expect(workloads[0]?.podSpec.get('securityContext', 'runAsNonRoot').asBoolean()).toBe(true);
  });

  it('finds those of a CronWorkflow', () => {
    const { workloads } = clusterOf(
      object(
        'argoproj.io/v1alpha1',
        'CronWorkflow',
        '{ schedule: "@daily", workflowSpec: { templates: [{ name: a, container: { image: a:1 } }] } }',
      ),
    );
    expect(workloads.map(({ ref }) => ref)).toEqual(['ml/x[CronWorkflow]']);
  });

  it('runs a template under the service account of the workflow that refers to it', () => {
    const template = object(
      'argoproj.io/v1alpha1',
      'WorkflowTemplate',
      '{ serviceAccountName: lesser, templates: [{ name: a, container: { image: a:1 } }] }',
    );
    const workflow = object(
      'argoproj.io/v1alpha1',
      'Workflow',
      '{ serviceAccountName: greater, workflowTemplateRef: { name: x } }',
    ).replace('name: x, namespace', 'name: run, namespace');
    const alone = clusterOf(template);
    expect(alone.workloads.map(({ ref, serviceAccount }) => [ref, serviceAccount])).toEqual([
      ['ml/x[WorkflowTemplate]', 'lesser'],
    ]);
    const both = clusterOf([template, workflow].join('---\n'));
    expect(both.workloads.map(({ ref, serviceAccount, source }) => [ref, serviceAccount, source.kind])).toEqual([
      ['ml/run[Workflow]', 'greater', 'WorkflowTemplate'],
    ]);
  });

  it.each([
    ['a template that is not there', '{ workflowTemplateRef: { name: absent } }', 'spec.workflowTemplateRef'],
    [
      'a step from elsewhere',
      '{ templates: [{ name: a, dag: { tasks: [{ name: t, templateRef: { name: absent, template: b } }] } }] }',
      'spec.templates.0.dag.tasks.0.templateRef',
    ],
    [
      'objects that it creates',
      '{ templates: [{ name: a, resource: { action: create, manifest: "kind: Job" } }] }',
      'spec.templates.0.resource.manifest',
    ],
  ])('says that it cannot see %s', (_name, spec, path) => {
    const { workloads, unseen } = clusterOf(object('argoproj.io/v1alpha1', 'Workflow', spec));
    expect(workloads).toEqual([]);
    expect(unseen.map(({ at }) => at.join('.'))).toEqual([path]);
  });
});

describe('other workloads', () => {
  it.each<[string, string, string, string, readonly string[]]>([
    [
      'JobSet',
      'jobset.x-k8s.io/v1alpha2',
      'JobSet',
      `{ replicatedJobs: [{ name: a, template: { spec: { template: ${TEMPLATE} } } }, { name: b, template: { spec: { template: ${TEMPLATE} } } }] }`,
      ['JobSet/a', 'JobSet/b'],
    ],
    [
      'LeaderWorkerSet',
      'leaderworkerset.x-k8s.io/v1',
      'LeaderWorkerSet',
      `{ leaderWorkerTemplate: { size: 4, leaderTemplate: ${TEMPLATE}, workerTemplate: ${TEMPLATE} } }`,
      ['LeaderWorkerSet/leader', 'LeaderWorkerSet/worker'],
    ],
    [
      'Volcano job',
      'batch.volcano.sh/v1alpha1',
      'Job',
      `{ tasks: [{ name: ps, template: ${TEMPLATE} }, { name: worker, template: ${TEMPLATE} }] }`,
      ['Job/ps', 'Job/worker'],
    ],
    [
      'SeldonDeployment',
      'machinelearning.seldon.io/v1',
      'SeldonDeployment',
      `{ predictors: [{ name: p, componentSpecs: [${TEMPLATE}] }] }`,
      ['SeldonDeployment'],
    ],
    [
      'AppWrapper',
      'workload.codeflare.dev/v1beta2',
      'AppWrapper',
      `{ components: [{ template: { apiVersion: batch/v1, kind: Job, spec: { template: ${TEMPLATE} } } }] }`,
      ['AppWrapper'],
    ],
  ])('S7 finds those of a %s', (_name, apiVersion, kind, spec, refs) => {
    expect(clusterOf(object(apiVersion, kind, spec)).workloads.map(({ ref }) => ref)).toEqual(
      refs.map((ref) => `ml/x[${ref}]`),
    );
  });

  it('finds one template in a LeaderWorkerSet whose leaders are made like workers', () => {
    const spec = `{ replicas: 2, leaderWorkerTemplate: { size: 4, workerTemplate: ${TEMPLATE} } }`;
    const { workloads } = clusterOf(object('leaderworkerset.x-k8s.io/v1', 'LeaderWorkerSet', spec));
    expect(workloads.map(({ ref, replicas }) => [ref, replicas])).toEqual([['ml/x[LeaderWorkerSet]', 8]]);
  });

  it('does not follow objects in objects without end', () => {
    let spec = '{ components: [] }';
    for (let depth = 0; depth < 6; depth += 1) {
      spec = `{ components: [{ template: { apiVersion: workload.codeflare.dev/v1beta2, kind: AppWrapper, spec: ${spec} } }] }`;
    }
    expect(clusterOf(object('workload.codeflare.dev/v1beta2', 'AppWrapper', spec)).unseen).toMatchObject([
      { ref: 'ml/x[AppWrapper]' },
    ]);
  });

  it('finds pod templates in objects of kinds that nobody knows, and claims no more than it sees', () => {
    const spec = `{ model: llm, server: { template: ${TEMPLATE} }, pool: { podSpec: { containers: [{ image: a:1 }] } } }`;
    const cluster = clusterOf(object('apps.nvidia.example/v1', 'ModelService', spec));
    expect(cluster.workloads.map(describeOne)).toEqual([
      ['ml/x[ModelService/pool.podSpec]', [' a:1'], 'spec.pool.podSpec'],
      ['ml/x[ModelService/server.template.spec]', ['main main:1'], 'spec.server.template.spec'],
    ]);
    expect(cluster.workloads[1]?.labels.get('team')).toBe('ml');
    expect(cluster.workloads[1]?.isPartial).toContain('ModelService');
  });

  it.each([
    ['a policy about pods', 'kyverno.io/v1', 'Policy'],
    ['a queued copy of a job', 'kueue.x-k8s.io/v1beta1', 'Workload'],
    ['a kind of Kubernetes that makes no pods', 'scheduling.k8s.io/v1', 'PodGroup'],
  ])('takes %s for no workload', (_name, apiVersion, kind) => {
    expect(clusterOf(object(apiVersion, kind, `{ template: ${TEMPLATE} }`)).workloads).toEqual([]);
  });
});
