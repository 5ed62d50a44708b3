import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startFeatureStore } from '../../src/app/demo/services/feature-store.ts';
import { startInferenceEndpoint } from '../../src/app/demo/services/inference-endpoint.ts';
import { startModelRegistry } from '../../src/app/demo/services/model-registry.ts';
import type { Service } from '../../src/app/demo/services/service.ts';

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

let service: Service;
afterEach(() => service.close());

function ask(method: string, path: string, more: { headers?: Record<string, string>; body?: Buffer | string } = {}) {
  return new Promise<Reply>((resolve, reject) => {
    const message = request({ host: '127.0.0.1', port: service.port, method, path, headers: more.headers ?? {} });
    message.on('error', reject);
    message.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    message.end(more.body);
  });
}

const json = ({ body }: Reply): unknown => JSON.parse(body.toString());
const ARTIFACTS = '/api/2.0/mlflow-artifacts/artifacts';

describe('the model registry', () => {
  const model = randomBytes(300_000);

  it('gives back the bytes it was given, lists them, and forgets them when told', async () => {
    service = await startModelRegistry();
    const path = `${ARTIFACTS}/models/fraud/1/model.onnx`;
    const sha256 = createHash('sha256').update(model).digest('hex');
    expect(json(await ask('PUT', path, { body: model }))).toMatchObject({ bytes: 300_000, sha256 });
    expect((await ask('GET', path)).body.equals(model)).toBe(true);
    expect((await ask('HEAD', path)).headers).toMatchObject({ 'content-length': '300000' });
    expect(json(await ask('GET', `${ARTIFACTS}?path=models/fraud`))).toMatchObject({
      files: [{ path: '1/model.onnx', is_dir: false, file_size: 300_000 }],
    });
    expect(json(await ask('GET', '/api/2.0/mlflow/registered-models/search'))).toMatchObject({
      registered_models: [{ name: 'fraud', latest_versions: [{ version: '1' }] }],
    });
    expect(json(await ask('GET', '/api/2.0/mlflow/runs/get?run_id=r1'))).toMatchObject({
      run: { info: { run_id: 'r1' } },
    });
    expect((await ask('DELETE', path)).status).toBe(200);
    expect((await ask('GET', path)).status).toBe(404);
    expect(service.requests).toBe(8);
  });

  it('repeats who it was told is calling, with a file as with JSON', async () => {
    service = await startModelRegistry();
    const headers = {
      'x-spiffe-id': 'spiffe://ai.example/training/job-1',
      'x-sallyport-component': 'training',
      'x-sallyport-decision-id': 'd1',
    };
    const caller = { spiffeId: 'spiffe://ai.example/training/job-1', component: 'training', decisionId: 'd1' };
    const fields = {
      'demo-caller-spiffe-id': caller.spiffeId,
      'demo-caller-component': 'training',
      'demo-caller-decision-id': 'd1',
    };
    const stored = await ask('PUT', `${ARTIFACTS}/a`, { headers, body: 'x' });
    expect(json(stored)).toMatchObject({ caller });
    expect(stored.headers).toMatchObject(fields);
    expect((await ask('GET', `${ARTIFACTS}/a`, { headers })).headers).toMatchObject(fields);
    expect(json(await ask('GET', ARTIFACTS))).toMatchObject({
      caller: { spiffeId: null, component: null, decisionId: null },
    });
  });

  it.each<[string, string, string, number]>([
    ['a method that files do not have', 'POST', `${ARTIFACTS}/a`, 405],
    ['a change to what is only read', 'POST', '/api/2.0/mlflow/runs/get', 405],
    ['a run without its id', 'GET', '/api/2.0/mlflow/runs/get', 400],
    ['a path it does not have', 'GET', '/elsewhere', 404],
    ['a file it does not have', 'DELETE', `${ARTIFACTS}/a`, 404],
  ])('refuses %s', async (_name, method, path, status) => {
    service = await startModelRegistry();
    expect((await ask(method, path)).status).toBe(status);
  });

  it('takes no file above 8 MiB, and no more files than it has room for', async () => {
    service = await startModelRegistry();
    const full = Buffer.alloc(8 * 1024 * 1024);
    expect((await ask('PUT', `${ARTIFACTS}/big`, { body: Buffer.alloc(full.length + 1) })).status).toBe(413);
    for (let at = 0; at < 8; at += 1) expect((await ask('PUT', `${ARTIFACTS}/${at}`, { body: full })).status).toBe(200);
    expect((await ask('PUT', `${ARTIFACTS}/9`, { body: 'x' })).status).toBe(507);
    expect((await ask('PUT', `${ARTIFACTS}/0`, { body: full })).status, 'the same again').toBe(200);
  });

  it('takes at most 256 files, however small', async () => {
    service = await startModelRegistry();
    for (let at = 0; at < 256; at += 1) await ask('PUT', `${ARTIFACTS}/${at}`);
    expect((await ask('PUT', `${ARTIFACTS}/257`)).status).toBe(507);
    expect((await ask('PUT', `${ARTIFACTS}/7`, { body: 'x' })).status).toBe(200);
  });

  it('survives a peer that goes away within its body', async () => {
    service = await startModelRegistry();
    await new Promise<void>((resolve) => {
      const socket = connect(service.port, '127.0.0.1');
      socket.write(`PUT ${ARTIFACTS}/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc`, () => socket.destroy());
      socket.on('close', () => resolve());
    });
    expect((await ask('GET', `${ARTIFACTS}/a`)).status).toBe(404);
  });
});

describe('the inference endpoint', () => {
  const infer = (body: string) => ask('POST', '/v2/models/fraud/infer', { body });

  it('scores each row by its features', async () => {
    service = await startInferenceEndpoint();
    const reply = json(await infer('{"rows":[[0,0,0],[5,5,0],[0,0,10]]}'));
    expect(reply).toMatchObject({ model: 'fraud', scores: [0.1192, 1, 0.0025] });
    expect((await ask('GET', '/v2/health/ready')).status).toBe(200);
  });

  it.each([
    ['what is not JSON', '{'],
    ['no rows', '{}'],
    ['rows that are none', '{"rows":{"length":1}}'],
    ['a row of another length', '{"rows":[[1,2]]}'],
    ['a feature that is no number', '{"rows":[[1,2,"3"]]}'],
    ['more rows than it takes', JSON.stringify({ rows: Array.from({ length: 1001 }, () => [1, 2, 3]) })],
    ['null', 'null'],
  ])('refuses %s', async (_name, body) => {
    service = await startInferenceEndpoint();
    expect((await infer(body)).status).toBe(400);
  });

  it.each([
    ['GET', '/v2/models/fraud/infer', 405],
    ['POST', '/v2/health/ready', 405],
    ['POST', '/v2/models/other/infer', 404],
  ])('answers %s %s with %d', async (method, path, status) => {
    service = await startInferenceEndpoint();
    expect((await ask(method, path)).status).toBe(status);
  });
});

describe('the feature store', () => {
  it('streams the features as they are now until the time is over', async () => {
    service = await startFeatureStore();
    const streaming = ask('GET', '/features/user-42/watch?seconds=0.4', { headers: { 'x-spiffe-id': 'spiffe://a/b' } });
    await ask('PUT', '/features/user-42', { body: '{"amount":3}' });
    const { status, headers, body } = await streaming;
    const lines = body.toString().trimEnd().split('\n');
    expect(status).toBe(200);
    expect(headers).toMatchObject({ 'transfer-encoding': 'chunked', 'demo-caller-spiffe-id': 'spiffe://a/b' });
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ entity: 'user-42' });
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ entity: 'user-42', features: { amount: 3 } });
  });

  it('forgets a stream whose reader goes away', async () => {
    service = await startFeatureStore();
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    await new Promise<void>((resolve) => {
      const message = request({ host: '127.0.0.1', port: service.port, path: '/features/user-42/watch' });
      message.on('response', (response) => response.once('data', () => message.destroy()));
      message.on('close', () => resolve());
      message.on('error', () => undefined);
      message.end();
    });
    // Another request is answered only after the service has seen the first one go.
    await ask('GET', '/features/user-42');
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('gives the features that were pushed last', async () => {
    service = await startFeatureStore();
    expect(json(await ask('GET', '/features/user-42'))).toMatchObject({ entity: 'user-42', features: { amount: 1.5 } });
    expect((await ask('PUT', '/features/user-7', { body: '{"amount":3}' })).status).toBe(200);
    expect(json(await ask('GET', '/features/user-7'))).toMatchObject({ features: { amount: 3 } });
  });

  it.each<[string, string, string, string | undefined, number]>([
    ['an entity it does not know', 'GET', '/features/nobody', undefined, 404],
    ['to stream one it does not know', 'GET', '/features/nobody/watch', undefined, 404],
    ['to stream for no time', 'GET', '/features/user-42/watch?seconds=0', undefined, 400],
    ['to stream for ever', 'GET', '/features/user-42/watch?seconds=Infinity', undefined, 400],
    ['to stream for what is no time', 'GET', '/features/user-42/watch?seconds=x', undefined, 400],
    ['what is not JSON', 'PUT', '/features/a', '{', 400],
    ['more than 4 KiB', 'PUT', '/features/a', JSON.stringify('x'.repeat(4_096)), 400],
    ['another method', 'DELETE', '/features/user-42', undefined, 405],
    ['another path', 'GET', '/', undefined, 404],
  ])('refuses %s', async (_name, method, path, body, status) => {
    service = await startFeatureStore();
    expect((await ask(method, path, body === undefined ? {} : { body })).status).toBe(status);
  });
});
