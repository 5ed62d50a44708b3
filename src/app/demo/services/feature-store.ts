// A feature store: the latest features of each entity, read online and pushed by whoever computes them.

import { METHOD_NOT_ALLOWED, NOT_FOUND, type Service, type ServiceAnswer, startService } from './service.ts';

export const FEATURES = '/features';

const MAX_ENTITIES = 10_000;
const MAX_FEATURES_BYTES = 4_096;

export async function startFeatureStore(): Promise<Service> {
  const entities = new Map<string, string>([['user-42', JSON.stringify({ amount: 1.5, velocity: 2.25, age: 0.5 })]]);
  return startService(({ method, path, body }) => {
    if (!path.startsWith(`${FEATURES}/`)) return NOT_FOUND;
    const entity = path.slice(FEATURES.length + 1);
    if (method === 'GET') return showFeatures(entities, entity);
    return method === 'PUT' ? pushFeatures(entities, entity, body) : METHOD_NOT_ALLOWED;
  });
}

function showFeatures(entities: ReadonlyMap<string, string>, entity: string): ServiceAnswer {
  const features = entities.get(entity);
  return features === undefined ? NOT_FOUND : { status: 200, content: { entity, features: JSON.parse(features) } };
}

function pushFeatures(entities: Map<string, string>, entity: string, body: Buffer): ServiceAnswer {
  const features = body.toString('utf8');
  if (body.length > MAX_FEATURES_BYTES || !isJson(features)) {
    return { status: 400, content: { error: `expected JSON of at most ${MAX_FEATURES_BYTES} bytes` } };
  }
  if (!entities.has(entity) && entities.size >= MAX_ENTITIES) {
    return { status: 507, content: { error: 'the feature store is full' } };
  }
  entities.set(entity, features);
  return { status: 200, content: { pushed: entity } };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
