import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runAudit } from '../../src/audit/audit.ts';
import { buildCluster } from '../../src/audit/cluster.ts';
import { parseExceptions } from '../../src/audit/exceptions.ts';
import { parseBaseline, BaselineError } from '../../src/audit/baseline.ts';
import { refToObject, refToWorkload } from '../../src/audit/finding.ts';
import { readKubeObject, type KubeObject } from '../../src/audit/kube-object.ts';
import { ALL_RULES } from '../../src/audit/rules.ts';
import { compileSelector } from '../../src/audit/selector.ts';
import { passed } from '../../src/audit/verdict.ts';
import { DocumentError } from '../../src/yaml/located.ts';
import { inventoryOf, objectOf } from './inventory.ts';
import { ruleOf, termsOf } from './terms.ts';

const KINDS = [
  ['v1', 'Pod'],
  ['v1', 'Namespace'],
  ['v1', 'PodTemplate'],
  ['v1', 'Service'],
  ['v1', 'ServiceAccount'],
  ['v1', 'Secret'],
  ['v1', 'ConfigMap'],
  ['networking.k8s.io/v1', 'NetworkPolicy'],
  ['networking.k8s.io/v1', 'Ingress'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRole'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding'],
  ['security.istio.io/v1', 'PeerAuthentication'],
  ['security.istio.io/v1', 'AuthorizationPolicy'],
  ['networking.istio.io/v1', 'DestinationRule'],
  ['cilium.io/v2', 'CiliumNetworkPolicy'],
  ['projectcalico.org/v3', 'GlobalNetworkPolicy'],
  ['policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy'],
  ['gateway.networking.k8s.io/v1', 'Gateway'],
  ['k8s.cni.cncf.io/v1', 'NetworkAttachmentDefinition'],
  ['resource.k8s.io/v1', 'ResourceClaimTemplate'],
  ['apps/v1', 'Deployment'],
  ['batch/v1', 'Job'],
  ['batch/v1', 'CronJob'],
  ['argoproj.io/v1alpha1', 'Workflow'],
  ['argoproj.io/v1alpha1', 'WorkflowTemplate'],
  ['ray.io/v1', 'RayCluster'],
  ['ray.io/v1', 'RayJob'],
  ['kubeflow.org/v1', 'PyTorchJob'],
  ['kubeflow.org/v1', 'Notebook'],
  ['kubeflow.org/v1beta1', 'Experiment'],
  ['kubeflow.org/v1beta1', 'ScheduledWorkflow'],
  ['pipelines.kubeflow.org/v2beta1', 'PipelineVersion'],
  ['trainer.kubeflow.org/v1alpha1', 'TrainJob'],
  ['trainer.kubeflow.org/v1alpha1', 'TrainingRuntime'],
  ['serving.kserve.io/v1beta1', 'InferenceService'],
  ['serving.kserve.io/v1alpha1', 'LLMInferenceService'],
  ['serving.kserve.io/v1alpha1', 'ServingRuntime'],
  ['sparkoperator.k8s.io/v1beta2', 'SparkApplication'],
  ['jobset.x-k8s.io/v1alpha2', 'JobSet'],
  ['leaderworkerset.x-k8s.io/v1', 'LeaderWorkerSet'],
  ['machinelearning.seldon.io/v1', 'SeldonDeployment'],
  ['workload.codeflare.dev/v1beta2', 'AppWrapper'],
  ['batch.volcano.sh/v1alpha1', 'Job'],
  ['unknown.example/v1', 'Thing'],
] as const;

/** Words that lead readers deep into an object, and words that objects have by their prototypes. */
const KEYS = `
  spec template metadata labels annotations containers initContainers name image ports containerPort hostNetwork
  status conditions phase ownerReferences controller kind templates steps dag tasks inline templateRef
  workflowTemplateRef workflowSpec headGroupSpec jobTemplate workerGroupSpecs rayClusterSpec pytorchReplicaSpecs
  replicatedJobs predictor model driver executor trialTemplate trialSpec components predictors componentSpecs
  runtimeRef trainer workflow pipelineSpec deploymentSpec executors container matchLabels matchExpressions
  values operator data stringData ingress egress from to podSelector namespaceSelector ipBlock cidr env value
  valueFrom volumes hostPath securityContext capabilities add resources limits mtls mode selector portLevelMtls rules
  subjects roleRef annotations config listeners ports protocol type __proto__ constructor toString hasOwnProperty valueOf length
`
  .trim()
  .split(/\s+/);

const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'large', maxDepth: 8 },
    fc.constantFrom<unknown>(
      null,
      true,
      false,
      0,
      -1,
      1.5,
      8080,
      '',
      'x',
      'Always',
      'batch/v1',
      'Job',
      'Workflow',
      'In',
      'Succeeded',
    ),
    fc.array(tie('value'), { maxLength: 3 }),
    // As JSON.parse makes them: `__proto__` is a key like any other.
    fc
      .array(fc.tuple(fc.constantFrom(...KEYS), tie('value')), { maxLength: 6 })
      .map((entries) =>
        JSON.parse(`{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join()}}`),
      ),
  ),
})).value;

const anyObject = fc
  .record({
    type: fc.constantFrom(...KINDS),
    name: fc.constantFrom('a', 'b', '__proto__', 'constructor'),
    metadata: json,
    spec: json,
    status: json,
    template: json,
  })
  .map(({ type: [apiVersion, kind], name, metadata, ...rest }): KubeObject | null => {
    const given = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata) ? metadata : {};
    const body = { apiVersion, kind, ...rest, metadata: { ...given, name } };
    const reading = readKubeObject(body, { origin: 'file', defaultNamespace: 'ml', locate: () => null });
    return reading.kind === 'object' ? reading.object : null;
  })
  .filter((object) => object !== null);

const READERS = ruleOf({ subject: 'workload' }, function* (cluster) {
  for (const object of cluster.objects) {
    compileSelector(cluster.field(object, 'spec'));
    yield passed(refToObject(object), ['spec', 'template', 0], 'x');
  }
  for (const workload of [...cluster.workloads, ...cluster.blueprints]) {
    yield passed(refToWorkload(workload, workload.containers[0] ?? null), workload.podPath, 'x');
  }
});

describe('whatever stands in an object', () => {
  it('never breaks the audit, and gives every workload a text of its own', () => {
    fc.assert(
      fc.property(fc.array(anyObject, { maxLength: 6 }), (objects) => {
        const report = runAudit(inventoryOf(objects), termsOf({ rules: [READERS] }));
        expect(report.coverage.failures).toEqual([]);
        for (const { fingerprint } of report.findings) expect(fingerprint).toHaveLength(64);
        const { workloads } = buildCluster(inventoryOf(objects));
        expect(new Set(workloads.map(({ ref }) => ref)).size).toBe(workloads.length);
      }),
      { numRuns: 1000 },
    );
  });

  it('breaks no rule', () => {
    fc.assert(
      fc.property(fc.array(anyObject, { maxLength: 6 }), (objects) => {
        const report = runAudit(inventoryOf(objects), termsOf({ rules: ALL_RULES }));
        expect(report.coverage.failures).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('is an object or refused', () => {
    fc.assert(
      fc.property(json, (body) => {
        expect(['object', 'malformed']).toContain(
          readKubeObject(body, { origin: 'file', defaultNamespace: 'ml', locate: () => null }).kind,
        );
      }),
    );
  });

  it('may be ten thousand labels', () => {
    const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`label-${index}`, 'x']));
    const spec = { containers: [{ name: 'main', image: 'a:1' }] };
    const pods = ['a', 'b'].map((name) =>
      objectOf({ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec }),
    );
    expect(buildCluster(inventoryOf(pods)).workloads[0]?.labels.size).toBe(10_000);
  });

  it('may be nested deeper than anybody writes', () => {
    let body: unknown = { containers: [{ image: 'a:1' }] };
    for (let depth = 0; depth < 5_000; depth += 1) body = { template: [body] };
    const object = objectOf({ apiVersion: 'x.example/v1', kind: 'Deep', metadata: { name: 'x' }, spec: body });
    expect(buildCluster(inventoryOf([object]))).toMatchObject({ workloads: [], unseen: [{ ref: 'default/x[Deep]' }] });
  });
});

describe('whatever stands in a file beside the objects', () => {
  it('is a list of exceptions or refused with a place', () => {
    const words = ['version: 1\n', 'exceptions:\n', '  - ', 'rule: a\n', '    reason: r\n', '    namespace: n\n'];
    const text = fc
      .array(fc.constantFrom(...words, '    expires: 2026-12-31\n', 'null', '[', '{}', '\n', '"', '&a', ': '))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (source) => {
        try {
          parseExceptions(Buffer.from(source), 'x.yaml');
        } catch (error) {
          if (!(error instanceof DocumentError)) throw error;
          expect(error.problems.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  it('is a baseline or refused', () => {
    fc.assert(
      fc.property(json, (findings) => {
        try {
          parseBaseline(Buffer.from(JSON.stringify({ findings })), 'x.json');
        } catch (error) {
          if (!(error instanceof BaselineError)) throw error;
        }
      }),
    );
  });
});
