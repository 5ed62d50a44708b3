// A feature store: the latest features of each entity, read online, watched as a stream, and pushed by whoever computes them.

import { Readable } from 'node:stream';
import { METHOD_NOT_ALLOWED, NOT_FOUND, type Service, type ServiceAnswer, startService } from './service.ts';

export const FEATURES = '/features';

const WATCH = '/watch';
const MAX_ENTITIES = 10_000;
const MAX_FEATURES_BYTES = 4_096;
const WATCH_INTERVAL_MS = 200;
const MAX_WATCH_SECONDS = 3_600;

/** A stream of the features of `entity`, of its own length. */
export function watchPath(entity: string, seconds: number): string {
  return `${FEATURES}/${entity}${WATCH}?seconds=${seconds}`;
}

export async function startFeatureStore(): Promise<Service> {
  const entities = new Map<string, string>([['user-42', JSON.stringify({ amount: 1.5, velocity: 2.25, age: 0.5 })]]);
  return startService(({ method, path, query, body }) => {
    if (!path.startsWith(`${FEATURES}/`)) return NOT_FOUND;
    const entity = path.slice(FEATURES.length + 1);
    if (method === 'GET' && entity.endsWith(WATCH)) {
      return watchFeatures(entities, entity.slice(0, -WATCH.length), Number(query.get('seconds') ?? MAX_WATCH_SECONDS));
    }
    if (method === 'GET') return showFeatures(entities, entity);
    return method === 'PUT' ? pushFeatures(entities, entity, body) : METHOD_NOT_ALLOWED;
  });
}

function showFeatures(entities: ReadonlyMap<string, string>, entity: string): ServiceAnswer {
  const features = entities.get(entity);
  return features === undefined ? NOT_FOUND : { status: 200, content: { entity, features: JSON.parse(features) } };
}

/** A line of JSON every now and then; whoever is slow to read misses some. */
function watchFeatures(entities: ReadonlyMap<string, string>, entity: string, seconds: number): ServiceAnswer {
  if (!entities.has(entity)) return NOT_FOUND;
  if (!(seconds > 0 && seconds <= MAX_WATCH_SECONDS)) {
    return { status: 400, content: { error: `expected ?seconds= with a number up to ${MAX_WATCH_SECONDS}` } };
  }
  const line = (): string => `${JSON.stringify({ entity, features: JSON.parse(entities.get(entity) ?? 'null') })}\n`;
  let left = Math.ceil((seconds * 1_000) / WATCH_INTERVAL_MS);
  const lines = new Readable({
    read: () => undefined,
    destroy: (error, done) => {
      clearInterval(timer);
      done(error);
    },
  });
  const timer = setInterval(() => {
    left -= 1;
    if (lines.readableLength === 0) lines.push(line());
    if (left > 0) return;
    clearInterval(timer);
    lines.push(null);
  }, WATCH_INTERVAL_MS);
  lines.push(line());
  return { status: 200, content: lines };
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
