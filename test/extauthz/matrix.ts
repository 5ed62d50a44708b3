// Random requests of the article's matrix, and what the policy says of each: one sample for every data plane.

import { join, resolve } from 'node:path';
import * as fc from 'fast-check';
import { readFileGroup } from '../../src/files/file-group.ts';
import { nodeFileSystem } from '../../src/files/file-system.ts';
import { policyGroup, toPolicySources } from '../../src/files/policy-group.ts';
import { isCanonicalPath, isCanonicalQuery } from '../../src/http1/request-target.ts';
import { decide } from '../../src/policy/decide.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';

export const POLICIES = resolve(import.meta.dirname, '../../policies');
export const COMPONENTS = [
  'training',
  'inference',
  'pipeline',
  'registry',
  'feature-store',
  'data-store',
  'experiment-tracker',
  'monitoring-admin',
];
export const PEERS = [
  ...COMPONENTS.map((name) => `/${name}/a`),
  '/training/deep/er/job',
  '/trainingx/job',
  '/unknown/job',
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'];
const PATHS = [
  '/',
  '/x',
  '/api/2.0/mlflow/runs/get',
  '/api/2.0/mlflow/runs/create',
  '/ajax-api/2.0/mlflow/runs/delete',
  '/api/2.0/mlflow-artifacts/artifacts/1/lr%3D0.1',
  '/api/2.0/mlflow/users/create',
  '/API/2.0/mlflow/runs/get',
  '/a/b/c?q=1&q=2',
];
/** What the proxy answers with 400, and data planes take for other paths. */
const ODD_PATHS = [
  '/a/../b',
  '/api/2.0/mlflow/runs/get/../create',
  '//x',
  '/a//b',
  '/a/./b',
  '/a%2fb',
  '/%61pi/2.0/mlflow/runs/create',
  '/a;b',
  '/a%00b',
  '/a%252e%252e/b',
];

export interface MatrixCase {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly target: string;
}

export function sampleCases(count: number): readonly MatrixCase[] {
  const plain = fc
    .array(fc.stringMatching(/^[A-Za-z0-9_~-]{1,8}$/), { minLength: 1, maxLength: 4 })
    .map((parts) => `/${parts.join('/')}`);
  const target = fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom(...PATHS) },
    { weight: 9, arbitrary: plain },
    { weight: 1, arbitrary: fc.constantFrom(...ODD_PATHS) },
  );
  const one = fc.record({
    from: fc.constantFrom(...PEERS),
    to: fc.constantFrom(...COMPONENTS),
    method: fc.constantFrom(...METHODS),
    target,
  });
  return fc.sample(one, count);
}

export async function readMatrix(): Promise<CompiledPolicy> {
  const location = { path: POLICIES, builtinProtocols: join(POLICIES, 'protocols') };
  return loadPolicy(toPolicySources(await readFileGroup(policyGroup(location), nodeFileSystem), location), 'enforce');
}

/** The status that the proxy answers with before any upstream has a say: test/app/one-decide.test.ts holds it to that. */
export function expectedStatus(policy: CompiledPolicy, { from, to, method, target }: MatrixCase): 200 | 400 | 403 {
  const [path = '', query] = target.split('?');
  if (!isCanonicalPath(path) || (query !== undefined && !isCanonicalQuery(query))) return 400;
  const principal = parseSpiffeId(`spiffe://ai.example${from}`);
  const { effect } = decide(policy, { principal, target: to, method, path, query: query ?? null, upgrade: null });
  return effect === 'deny' ? 403 : 200;
}
