import { describe, expect, it } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { credentialRules } from '../../../src/audit/credentials/credential-rules.ts';
import { inventoryOf, objectsOf } from '../inventory.ts';
import { NOW, termsOf } from '../terms.ts';
import { ALPHANUMERIC, characters, jwt, LETTERS, pem, token } from './labelled/made-up-tokens.ts';
import { linesOf, verdictsOf } from './verdicts.ts';

const HF = token('hf_', { alphabet: LETTERS, length: 34 });
const PASSWORD = 'Quiet-Otter-5';

function job(container: string, pod = ''): string {
  return `
apiVersion: batch/v1
kind: Job
metadata: { name: trainer, namespace: ml }
spec:
  template:
    spec:
${indent(pod, 6)}
      containers:
      - name: main
        image: train:1
${indent(container, 8)}
`;
}

function indent(text: string, depth: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ' '.repeat(depth) + line)
    .join('\n');
}

function configMap(data: Readonly<Record<string, string>>): string {
  return `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: ml }
data: ${JSON.stringify(data)}
`;
}

const ENV = 'credential-env-plaintext';
const ARGS = 'credential-args-plaintext';
const CONFIGMAP = 'credential-configmap-plaintext';
const ANNOTATION = 'credential-annotation-plaintext';
const MANIFEST = 'credential-secret-manifest';

describe('credential-env-plaintext', () => {
  it('S22 finds credentials by value, in containers of every kind', () => {
    const text = job(
      `env:
- { name: HF_TOKEN, value: ${HF} }
- { name: SECRET_NAME, value: hf-token }
- { name: TOKENIZERS_DIR, value: /models }`,
      `initContainers:
- name: fetch
  image: fetch:1
  env: [{ name: MINIO_ROOT_PASSWORD, value: minioadmin }]
- name: proxy
  image: proxy:1
  restartPolicy: Always
  env: [{ name: PROXY_PASSWORD, value: "${PASSWORD}" }]`,
    );
    expect(linesOf(ENV, text)).toEqual([
      'fail high ml/trainer[Job] fetch',
      'fail high ml/trainer[Job] proxy',
      'fail critical ml/trainer[Job] main',
    ]);
    expect(
      linesOf(ENV, pod(`ephemeralContainers: [{ name: debug, image: d:1, env: [{ name: T, value: ${HF} }] }]`)),
    ).toEqual(['pass ml/p[Pod] main', 'fail critical ml/p[Pod] debug']);
  });

  it('passes a container whose variables come from elsewhere', () => {
    const text = job(`env:
- { name: HF_TOKEN, valueFrom: { secretKeyRef: { name: hf, key: token } } }
- { name: DB_PASSWORD, value: $(OTHER) }
- { name: MODE, value: token }`);
    expect(linesOf(ENV, text)).toEqual(['pass ml/trainer[Job] main']);
  });

  it('says nothing good of a container that is given in part', () => {
    const text = `
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: { name: llama, namespace: ml }
spec: { predictor: { model: { modelFormat: { name: huggingface }, runtime: vllm } } }
`;
    const lines = linesOf(ENV, text);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.every((line) => line.startsWith('unknown partial-template '))).toBe(true);
  });

  it('points at the value, and offers a patch that holds it no more', () => {
    const text = job(`env:\n- { name: A, value: b }\n- { name: HF_TOKEN, value: ${HF} }`);
    const [verdict] = verdictsOf(ENV, text);
    expect(verdict?.at).toEqual(['spec', 'template', 'spec', 'containers', 0, 'env', 1, 'value']);
    expect(verdict?.detail).toBe('variable `HF_TOKEN` of container `main` holds a Hugging Face token');
    expect(verdict?.evidence).toEqual({
      kind: 'huggingface-token',
      basis: 'format',
      length: 37,
      name: 'HF_TOKEN',
      prefix: 'hf_',
    });
    expect(verdict?.remediation.patch).toEqual([
      { op: 'remove', path: '/spec/template/spec/containers/0/env/1/value' },
      {
        op: 'add',
        path: '/spec/template/spec/containers/0/env/1/valueFrom',
        value: { secretKeyRef: { name: 'trainer-credentials', key: 'HF_TOKEN' } },
      },
    ]);
  });

  it('S27 tells who else holds the same credential in plain text', () => {
    const other = job(`env: [{ name: TOKEN, value: ${HF} }]`).replace('name: trainer', 'name: notebook');
    const [verdict] = verdictsOf(ENV, `${job(`env: [{ name: HF_TOKEN, value: ${HF} }]`)}---${other}`);
    expect(verdict?.evidence).toMatchObject({ alsoIn: ['ml/trainer[Job]'] });
    // That many use the same default is told by its being one.
    const weak = job('env: [{ name: DB_PASSWORD, value: postgres }]');
    const [first] = verdictsOf(ENV, `${weak}---${weak.replace('name: trainer', 'name: notebook')}`);
    expect(first?.evidence).not.toHaveProperty('alsoIn');
  });

  it('takes an expired token for what it is', () => {
    const at = (exp: number): readonly string[] => linesOf(ENV, job(`env: [{ name: TOKEN, value: ${jwt({ exp })} }]`));
    expect(at(NOW / 1000)).toEqual(['fail low ml/trainer[Job] main']);
    expect(at(NOW / 1000 + 1)).toEqual(['fail critical ml/trainer[Job] main']);
  });

  it('reads what is no variable as malformed, and not as harmless', () => {
    expect(linesOf(ENV, job('env: [null, 7, { name: A, value: [x] }]'))).toEqual([
      'unknown malformed ml/trainer[Job] main',
    ]);
    expect(linesOf(ENV, job('env: { HF_TOKEN: x }'))).toEqual(['unknown malformed ml/trainer[Job] main']);
  });
});

describe('credential-args-plaintext', () => {
  it('S22 finds credentials on command lines, in scripts, probes and hooks', () => {
    const text = job(`command: [vllm, serve]
args: [--model, x, --api-key, "${characters(ALPHANUMERIC, 24, 1)}"]
livenessProbe: { exec: { command: [redis-cli, -a, "${PASSWORD}", ping] } }
readinessProbe:
  httpGet: { path: /, port: 80, httpHeaders: [{ name: Authorization, value: "Bearer ${characters(ALPHANUMERIC, 40, 2)}" }] }
lifecycle: { preStop: { exec: { command: [sh, -c, "mysql -uroot -p${PASSWORD} -h db"] } } }`);
    expect(verdictsOf(ARGS, text).map(({ at, detail }) => `${at.slice(5).join('.')} ${detail}`)).toEqual([
      'args.3 the command line of container `main` holds an API key',
      'livenessProbe.exec.command.2 a command of livenessProbe of container `main` holds a password',
      'readinessProbe.httpGet.httpHeaders.0.value a header of readinessProbe of container `main` holds a bearer token in a header',
      'lifecycle.preStop.exec.command.2 a command of preStop of container `main` holds a password',
    ]);
  });

  it('passes options that refer to variables and files', () => {
    const text = job('args: [--api-key, $(API_KEY), --token-file=/var/run/token, --max-tokens, "4096"]');
    expect(linesOf(ARGS, text)).toEqual(['pass ml/trainer[Job] main']);
  });
});

describe('credential-configmap-plaintext', () => {
  it('S22 looks into the files of a ConfigMap, and says in which line', () => {
    const yaml = `db:\n  host: db\n  password: ${PASSWORD}\n`;
    const [verdict] = verdictsOf(CONFIGMAP, configMap({ 'config.yaml': yaml }));
    expect(verdict).toMatchObject({ verdict: 'fail', at: ['data', 'config.yaml'], evidence: { line: 3 } });
    expect(verdict?.detail).toBe('key `config.yaml`, line 3 of the ConfigMap holds a password');
  });

  it.each<[string, Readonly<Record<string, string>>, readonly string[]]>([
    ['a value', { DB_PASSWORD: PASSWORD }, ['fail high ml/settings[ConfigMap]']],
    ['JSON', { 'a.json': `{"token": "${HF}"}` }, ['fail critical ml/settings[ConfigMap]']],
    ['INI', { 'a.ini': `[db]\npassword=${PASSWORD}\n` }, ['fail high ml/settings[ConfigMap]']],
    ['properties', { 'a.properties': `a=b\ndb.password=${PASSWORD}\n` }, ['fail high ml/settings[ConfigMap]']],
    ['a private key', { 'tls.key': pem('PRIVATE KEY') }, ['fail critical ml/settings[ConfigMap]']],
    [
      'nothing',
      { MODE: 'token', 'ca.crt': pem('CERTIFICATE'), SECRET_NAME: 'db-auth' },
      ['pass ml/settings[ConfigMap]'],
    ],
  ])('finds %s', (_what, data, lines) => {
    expect(linesOf(CONFIGMAP, configMap(data))).toEqual(lines);
  });

  it('finds text in binaryData, and leaves what is no text', () => {
    const of = (content: Buffer): string => `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: ml }
binaryData: { blob: ${content.toString('base64')} }
`;
    expect(linesOf(CONFIGMAP, of(Buffer.from(`x ${HF}`)))).toEqual(['fail critical ml/settings[ConfigMap]']);
    expect(linesOf(CONFIGMAP, of(Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(HF)])))).toEqual([
      'pass ml/settings[ConfigMap]',
    ]);
  });

  it('S22 tells who takes its variables from it, and who from one that is not there', () => {
    const text = `${configMap({ DB_PASSWORD: PASSWORD })}---${job('envFrom: [{ configMapRef: { name: settings } }]')}`;
    expect(verdictsOf(CONFIGMAP, text)[0]?.evidence).toMatchObject({ readBy: ['ml/trainer[Job]'] });
    const missing = `${configMap({ MODE: 'x' })}---${job('envFrom: [{ configMapRef: { name: other } }]')}`;
    expect(linesOf(CONFIGMAP, missing)).toEqual(['pass ml/settings[ConfigMap]', 'unknown not-given ml/trainer[Job]']);
  });

  it('concludes that a ConfigMap does not exist only where all were listed', () => {
    const text = job('envFrom: [{ configMapRef: { name: other } }]');
    expect(linesOf(CONFIGMAP, text)).toEqual(['unknown not-given ml/trainer[Job]']);
    expect(linesOf(CONFIGMAP, text, { inventory: { completeKinds: new Set(['ConfigMap']) } })).toEqual([]);
    const forbidden = {
      what: 'configmaps',
      kind: 'ConfigMap',
      namespace: null,
      reason: 'forbidden' as const,
      detail: '403',
      position: null,
    };
    expect(linesOf(CONFIGMAP, text, { inventory: { unreadable: [forbidden] } })).toEqual([
      'unknown forbidden ml/trainer[Job]',
    ]);
  });

  it('tells of one place twenty credentials at most', () => {
    const lines = Array.from({ length: 100 }, (_, line) => `password${line}: Quiet-Otter-${line}`).join('\n');
    expect(linesOf(CONFIGMAP, configMap({ 'a.yaml': lines }))).toHaveLength(20);
  });
});

describe('credential-annotation-plaintext', () => {
  it('finds credentials in annotations of objects and of templates', () => {
    const annotated = job('args: []').replace(
      '    spec:',
      `    metadata: { annotations: { x/token: ${HF} } }\n    spec:`,
    );
    const service = `apiVersion: v1\nkind: Service\nmetadata: { name: s, namespace: ml, annotations: { a/url: "https://u:${PASSWORD}@x.internal" } }\n`;
    expect(linesOf(ANNOTATION, `${annotated}---\n${service}`)).toEqual([
      'fail high ml/s[Service]',
      'fail critical ml/trainer[Job]',
    ]);
  });

  it('leaves the copy of what was applied, and names of Secrets', () => {
    const text = `apiVersion: v1
kind: Service
metadata:
  name: s
  namespace: ml
  annotations:
    nginx.ingress.kubernetes.io/auth-secret: basic-auth
    kubectl.kubernetes.io/last-applied-configuration: '{"password":"${PASSWORD}"}'
`;
    expect(linesOf(ANNOTATION, text)).toEqual(['pass cluster[Cluster]']);
  });
});

describe('credential-secret-manifest', () => {
  const secret = (body: string, metadata = ''): string =>
    `apiVersion: v1\nkind: Secret\nmetadata: { name: db, namespace: ml${metadata} }\n${body}\n`;

  it('finds what base64 does not hide', () => {
    const encoded = Buffer.from(PASSWORD).toString('base64');
    expect(linesOf(MANIFEST, secret(`data: { password: ${encoded} }`))).toEqual(['fail high ml/db[Secret]']);
    expect(linesOf(MANIFEST, secret(`stringData: { token: ${HF} }`))).toEqual(['fail critical ml/db[Secret]']);
  });

  it('passes placeholders and what is encrypted', () => {
    expect(linesOf(MANIFEST, secret('stringData: { password: "${DB_PASSWORD}", token: <token> }'))).toEqual([
      'pass ml/db[Secret]',
    ]);
    expect(linesOf(MANIFEST, secret('stringData: { password: "ENC[AES256_GCM,data:abcd,type:str]" }'))).toEqual([
      'pass ml/db[Secret]',
    ]);
  });

  it('says nothing of a dump from a cluster', () => {
    const dumped = secret(`stringData: { token: ${HF} }`, ', uid: 0b0e2e4c-1f0a-4b7e-8d5b-8f6f5b1c9d21');
    expect(linesOf(MANIFEST, dumped)).toEqual([]);
  });
});

describe('a report about credentials', () => {
  it('S22 holds none of them, in no finding and in no part of one', () => {
    const secrets = [HF, PASSWORD, characters(ALPHANUMERIC, 24, 1), 'prom-operator', 'Brass-Heron-6'];
    const [hf = '', password = '', key = '', weak = '', other = ''] = secrets;
    const text = [
      job(`env:
- { name: HF_TOKEN, value: ${hf} }
- { name: GF_SECURITY_ADMIN_PASSWORD, value: ${weak} }
- { name: OPTIONS, value: "--db=postgres://u:${password}@db/x --api-key=${key}" }
args: [sh, -c, "curl -u ci:${other} https://x; vllm --api-key ${key}"]`),
      configMap({ 'a.yaml': `password: ${password}\ntoken: ${hf}\n`, DB_PASSWORD: other }),
      `apiVersion: v1\nkind: Secret\nmetadata: { name: db, namespace: ml, annotations: { token: ${hf} } }\nstringData: { password: ${password}, api-key: ${key} }\n`,
    ].join('---\n');
    const report = runAudit(inventoryOf(objectsOf(text)), termsOf({ rules: credentialRules }));
    const failures = report.findings.filter(({ verdict }) => verdict === 'fail');
    expect(failures.length).toBeGreaterThan(10);
    const told = JSON.stringify(
      report.findings.map(({ detail, evidence, remediation, at, location, fingerprint, reason }) => {
        return { detail, evidence, remediation, at, location, fingerprint, reason };
      }),
    );
    for (const secret of secrets) expect(told).not.toContain(secret);
    expect(JSON.stringify([report.coverage, report.summary])).not.toContain(hf);
  });
});

function pod(spec: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: ml }
spec:
  containers: [{ name: main, image: a:1 }]
  ${spec}
`;
}
