// An inference endpoint with one small model: how likely a payment is fraud, by logistic regression on three features.

import { METHOD_NOT_ALLOWED, NOT_FOUND, type Service, type ServiceAnswer, startService } from './service.ts';

export const INFER = '/v2/models/fraud/infer';

const READY = '/v2/health/ready';
const WEIGHTS = [0.8, 1.7, -0.4];
const BIAS = -2;
const MAX_ROWS = 1_000;

export async function startInferenceEndpoint(): Promise<Service> {
  return startService(({ method, path, body }) => {
    if (path === READY) return method === 'GET' ? { status: 200, content: { ready: true } } : METHOD_NOT_ALLOWED;
    if (path !== INFER) return NOT_FOUND;
    return method === 'POST' ? infer(body) : METHOD_NOT_ALLOWED;
  });
}

function infer(body: Buffer): ServiceAnswer {
  const rows = parseRows(body);
  if (rows === null) {
    const error = `expected {"rows": [[amount, velocity, age], …]}, at most ${MAX_ROWS} rows`;
    return { status: 400, content: { error } };
  }
  return { status: 200, content: { model: 'fraud', scores: rows.map(score) } };
}

function parseRows(body: Buffer): readonly (readonly number[])[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null || !('rows' in parsed) || !Array.isArray(parsed.rows)) return null;
  const rows: readonly unknown[] = parsed.rows;
  return rows.length <= MAX_ROWS && rows.every(isRow) ? rows : null;
}

function isRow(row: unknown): row is readonly number[] {
  return Array.isArray(row) && row.length === WEIGHTS.length && row.every((feature) => typeof feature === 'number');
}

/** How likely it is fraud. */
export function score(row: readonly number[]): number {
  const sum = row.reduce((total, feature, at) => total + feature * (WEIGHTS[at] ?? 0), BIAS);
  return Math.round(1e4 / (1 + Math.exp(-sum))) / 1e4;
}
