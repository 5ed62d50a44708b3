import { describe, expect, it } from 'vitest';
import { linesOf, verdictsOf, type Setting } from './verdicts.ts';

const RULE = 'credential-cloud-identity';
const LISTED: Setting = { inventory: { completeKinds: new Set(['ServiceAccount', 'Node', 'Pod']) } };

function pod(more = '', metadata = ''): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: ml${metadata} }
spec: { serviceAccountName: api, containers: [{ name: main, image: a:1 }]${more} }
`;
}

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: d, namespace: ml }
spec:
  selector: { matchLabels: { app: d } }
  template:
    metadata: { labels: { app: d } }
    spec: { serviceAccountName: api, containers: [{ name: main, image: a:1 }] }
`;

function account(annotations = '{}'): string {
  return `apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: api, namespace: ml, annotations: ${annotations} }\n`;
}

function node(provider: string, labels = '{}'): string {
  return `apiVersion: v1\nkind: Node\nmetadata: { name: node-1, labels: ${labels} }\nspec: { providerID: "${provider}" }\n`;
}

const AWS = node('aws:///eu-west-1a/i-0abc');
const GCP = node('gce://project/zone/n');
const GUARDED = node('gce://project/zone/n', '{ iam.gke.io/gke-metadata-server-enabled: "true" }');
const AZURE = node('azure:///subscriptions/x');
const ROLE = '{ eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/ml" }';

function lines(...documents: readonly string[]): readonly string[] {
  return linesOf(RULE, documents.join('---\n'), LISTED);
}

describe('credential-cloud-identity', () => {
  it('S26 reports the pod that is bound to nothing, and so is its node', () => {
    expect(lines(pod(), account(), AWS)).toEqual(['fail high ml/p[Pod]']);
    expect(lines(pod(), account(), GCP)).toEqual(['fail high ml/p[Pod]']);
    expect(lines(pod(), account(), AZURE)).toEqual(['fail high ml/p[Pod]']);
  });

  it.each<[string, readonly string[]]>([
    [
      'GKE Workload Identity',
      [pod(), account('{ iam.gke.io/gcp-service-account: ml@p.iam.gserviceaccount.com }'), GCP],
    ],
    ['IAM Roles for Service Accounts', [pod(), account(ROLE), AWS]],
    [
      'Azure Workload Identity',
      [
        pod('', ', labels: { azure.workload.identity/use: "true" }'),
        account('{ azure.workload.identity/client-id: "1-2" }'),
        AZURE,
      ],
    ],
    [
      'a web identity that was injected',
      [
        pod().replace(
          'image: a:1',
          'image: a:1, env: [{ name: AWS_ROLE_ARN, value: "arn:aws:iam::1:role/x" }, { name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /t }]',
        ),
        account(),
        AWS,
      ],
    ],
    [
      'EKS Pod Identity, by its variable',
      [
        pod().replace(
          'image: a:1',
          'image: a:1, env: [{ name: AWS_CONTAINER_CREDENTIALS_FULL_URI, value: "http://169.254.170.23/v1/credentials" }]',
        ),
        account(),
        AWS,
      ],
    ],
    [
      'EKS Pod Identity, by its token',
      [
        pod(
          ', volumes: [{ name: eks-pod-identity-token, projected: { sources: [{ serviceAccountToken: { path: t, audience: pods.eks.amazonaws.com } }] } }]',
        ),
        account(),
        AWS,
      ],
    ],
    [
      'a federation of Google',
      [
        pod(
          ', volumes: [{ name: t, projected: { sources: [{ serviceAccountToken: { path: t, audience: "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/x/providers/y" } }] } }]',
        ),
        account(),
        GCP,
      ],
    ],
  ])('S26 knows %s', (_what, documents) => {
    expect(lines(...documents)).toEqual(['pass ml/p[Pod]']);
  });

  it('S26 sees that the annotation of Azure without the label of the pod does nothing', () => {
    const text = [pod(), account('{ azure.workload.identity/client-id: "1-2" }'), AZURE];
    expect(lines(...text)).toEqual(['fail high ml/p[Pod]']);
    expect(verdictsOf(RULE, text.join('---\n'), LISTED)[0]?.detail).toContain('for want of the pod label');
  });

  it('S26 takes the GKE metadata server for the guard that it is, but not on the network of the node', () => {
    expect(lines(pod(), account(), GUARDED)).toEqual(['pass ml/p[Pod]']);
    expect(lines(pod(', hostNetwork: true'), account(), GUARDED)).toEqual(['fail high ml/p[Pod]']);
    expect(lines(pod(), account(), GUARDED, GCP.replace('name: node-1', 'name: node-2'))).toEqual([
      'fail high ml/p[Pod]',
    ]);
  });

  it('S26 looks for EKS Pod Identity in running pods, and does not know without any', () => {
    expect(lines(DEPLOYMENT, account(), AWS)).toEqual(['unknown pod-not-seen ml/d[Deployment]']);
    const onHost = DEPLOYMENT.replace('spec: { serviceAccountName', 'spec: { hostNetwork: true, serviceAccountName');
    expect(lines(onHost, account(), AWS)).toEqual(['fail high ml/d[Deployment]']);
    const running = pod(
      '',
      ', labels: { app: d }, ownerReferences: [{ apiVersion: apps/v1, kind: Deployment, name: d, uid: u1, controller: true }]',
    );
    const owned = DEPLOYMENT.replace('name: d,', 'name: d, uid: u1,');
    expect(lines(owned, running, account(), AWS)).toEqual(['fail high ml/d[Deployment]']);
    const injected = running.replace(
      'image: a:1',
      'image: a:1, env: [{ name: AWS_CONTAINER_CREDENTIALS_FULL_URI, value: "http://169.254.170.23/" }]',
    );
    expect(lines(owned, injected, account(), AWS)).toEqual(['pass ml/d[Deployment]']);
  });

  it('S26 finds an identity that every pod of a namespace has', () => {
    const text = [
      pod().replace('serviceAccountName: api, ', ''),
      account(ROLE).replace('name: api', 'name: default'),
      AWS,
    ];
    expect(lines(...text)).toEqual(['fail medium ml/p[Pod]']);
  });

  it('passes nodes of no cloud, and does not know without any node or sign', () => {
    expect(lines(pod(), account(), node('kind://docker/kind/kind-worker'))).toEqual(['pass ml/p[Pod]']);
    expect(linesOf(RULE, [pod(), account()].join('---\n'))).toEqual(['unknown cloud-unknown cluster[Cluster]']);
  });

  it.each<[string, string, string]>([
    [
      'a driver',
      'apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: { name: s }\nprovisioner: disk.csi.azure.com\n',
      'fail high ml/p[Pod]',
    ],
    [
      'a Service',
      'apiVersion: v1\nkind: Service\nmetadata: { name: s, namespace: ml, annotations: { service.beta.kubernetes.io/azure-load-balancer-internal: "true" } }\n',
      'fail high ml/p[Pod]',
    ],
    ['another account', account(ROLE).replace('name: api', 'name: other'), 'fail high ml/p[Pod]'],
    [
      'Google, of which nothing tells whether pods are guarded',
      'apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: { name: s }\nprovisioner: pd.csi.storage.gke.io\n',
      'unknown not-given ml/p[Pod]',
    ],
  ])('tells the cloud by %s where there are no nodes', (_what, sign, expected) => {
    expect(linesOf(RULE, [pod(), account(), sign].join('---\n'))).toEqual([expected]);
  });

  it('does not know of a service account that was not given', () => {
    expect(linesOf(RULE, [pod(), AWS].join('---\n'))).toEqual(['unknown not-given ml/p[Pod]']);
  });
});
