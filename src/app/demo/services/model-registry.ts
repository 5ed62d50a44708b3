// A model registry that keeps model files: the artifact routes of an MLflow tracking server, and the two lists a reader starts from.
// https://mlflow.org/docs/latest/rest-api.html

import { createHash } from 'node:crypto';
import {
  METHOD_NOT_ALLOWED,
  NOT_FOUND,
  type Service,
  type ServiceAnswer,
  type ServiceRequest,
  startService,
} from './service.ts';

export const ARTIFACTS = '/api/2.0/mlflow-artifacts/artifacts';
export const REGISTERED_MODELS = '/api/2.0/mlflow/registered-models/search';
const RUN = '/api/2.0/mlflow/runs/get';

const MAX_ARTIFACTS = 256;
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;

export async function startModelRegistry(): Promise<Service> {
  const artifacts = new Map<string, Buffer>();
  return startService((request) => {
    const { method, path } = request;
    if (path.startsWith(`${ARTIFACTS}/`)) return answerArtifact(artifacts, path.slice(ARTIFACTS.length + 1), request);
    if (method !== 'GET') return METHOD_NOT_ALLOWED;
    if (path === ARTIFACTS) return listArtifacts(artifacts, request.query.get('path') ?? '');
    if (path === REGISTERED_MODELS) return listModels(artifacts);
    return path === RUN ? showRun(artifacts, request.query.get('run_id')) : NOT_FOUND;
  });
}

function answerArtifact(artifacts: Map<string, Buffer>, name: string, { method, body }: ServiceRequest): ServiceAnswer {
  const artifact = artifacts.get(name);
  switch (method) {
    case 'PUT':
      return storeArtifact(artifacts, name, body);
    case 'GET':
    case 'HEAD':
      return artifact === undefined ? NOT_FOUND : { status: 200, content: artifact };
    case 'DELETE':
      return artifacts.delete(name) ? { status: 200, content: { deleted: name } } : NOT_FOUND;
    default:
      return METHOD_NOT_ALLOWED;
  }
}

function storeArtifact(artifacts: Map<string, Buffer>, name: string, body: Buffer): ServiceAnswer {
  const others = [...artifacts].filter(([other]) => other !== name).map(([, bytes]) => bytes.length);
  const totalBytes = others.reduce((total, bytes) => total + bytes, body.length);
  if (others.length >= MAX_ARTIFACTS || totalBytes > MAX_TOTAL_BYTES) {
    return { status: 507, content: { error: 'the registry is full; delete something' } };
  }
  artifacts.set(name, body);
  const sha256 = createHash('sha256').update(body).digest('hex');
  return { status: 200, content: { stored: name, bytes: body.length, sha256 } };
}

function listArtifacts(artifacts: ReadonlyMap<string, Buffer>, directory: string): ServiceAnswer {
  const prefix = directory === '' ? '' : `${directory}/`;
  const files = [...artifacts]
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, bytes]) => ({ path: name.slice(prefix.length), is_dir: false, file_size: bytes.length }));
  return { status: 200, content: { files } };
}

/** `models/<name>/<version>/…` is a version of a registered model. */
function listModels(artifacts: ReadonlyMap<string, Buffer>): ServiceAnswer {
  const versions = new Map<string, Set<string>>();
  for (const artifact of artifacts.keys()) {
    const [root, name, version] = artifact.split('/');
    if (root !== 'models' || name === undefined || version === undefined) continue;
    versions.set(name, (versions.get(name) ?? new Set()).add(version));
  }
  const registered_models = [...versions].map(([name, of]) => ({
    name,
    latest_versions: [...of].map((version) => ({ name, version, status: 'READY' })),
  }));
  return { status: 200, content: { registered_models } };
}

function showRun(artifacts: ReadonlyMap<string, Buffer>, runId: string | null): ServiceAnswer {
  if (runId === null) return { status: 400, content: { error: 'run_id is missing' } };
  const info = {
    run_id: runId,
    status: artifacts.size > 0 ? 'FINISHED' : 'RUNNING',
    artifact_uri: 'mlflow-artifacts:/',
  };
  return { status: 200, content: { run: { info } } };
}
