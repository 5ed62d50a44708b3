import { describe, expect, it } from 'vitest';
import { MLFLOW_ROUTES } from './mlflow-routes.ts';
import { decideLine, loadPreset, table, verbOf } from './preset.ts';

describe('the mlflow protocol', () => {
  const policy = loadPreset('mlflow');

  describe('knows every route of the server', () => {
    it.each(table(MLFLOW_ROUTES))('is %s: %s', (expected, line) => {
      expect(verbOf(policy, line)).toBe(expected);
    });
  });

  it.each(table(MLFLOW_ROUTES).filter(([, line]) => line.includes(' /api/')))(
    'PA-102 is %s under /ajax-api too: %s',
    (expected, line) => {
      expect(verbOf(policy, line.replace(' /api/', ' /ajax-api/'))).toBe(expected);
    },
  );

  describe('knows the routes of older servers', () => {
    const rows = table(`
      read  POST   /api/2.0/mlflow/traces/search
      read  GET    /api/2.0/mlflow/traces/0a
      read  GET    /api/2.0/mlflow/traces/0a/assessments/0b
      write POST   /api/2.0/mlflow/traces/0a/assessments
      write PATCH  /api/2.0/mlflow/traces/0a/assessments/0b
      write DELETE /api/2.0/mlflow/traces/0a/assessments/0b
      read  GET    /metrics
      admin GET    /api/2.0/mlflow/experiments/permissions/get
      admin POST   /api/2.0/mlflow/experiments/permissions/create
      admin PATCH  /api/2.0/mlflow/registered-models/permissions/update
      admin DELETE /api/2.0/mlflow/registered-models/permissions/delete
      admin GET    /api/3.0/mlflow/scorers/permissions/get
      admin POST   /api/3.0/mlflow/gateway/endpoints/permissions/create
      admin GET    /api/3.0/mlflow/workspaces/w/permissions
      admin POST   /api/3.0/mlflow/workspaces/w/permissions
      admin GET    /api/3.0/mlflow/workspace-permissions
    `);
    it.each(rows)('is %s: %s', (expected, line) => {
      expect(verbOf(policy, line)).toBe(expected);
    });
  });

  describe('PA-103 a delete is never reached by GET, nor by the method of another route', () => {
    const rows = table(`
      unknown-route GET /api/2.0/mlflow/runs/delete
      unknown-route GET /api/2.0/mlflow/runs/delete?run_id=0a
      unknown-route HEAD /api/2.0/mlflow/runs/delete
      unknown-route OPTIONS /api/2.0/mlflow/runs/delete
      unknown-route DELETE /api/2.0/mlflow/runs/delete
      unknown-route GET /api/2.0/mlflow/runs/delete-tag
      unknown-route GET /api/2.0/mlflow/experiments/delete
      unknown-route GET /api/2.0/mlflow/experiments/delete-experiment-tag
      unknown-route GET /api/2.0/mlflow/registered-models/delete
      unknown-route POST /api/2.0/mlflow/registered-models/delete
      unknown-route GET /api/2.0/mlflow/registered-models/delete-tag
      unknown-route GET /api/2.0/mlflow/model-versions/delete
      unknown-route GET /api/2.0/mlflow/model-versions/delete-tag
      unknown-route GET /api/2.0/mlflow/runs/create
      unknown-route GET /api/2.0/mlflow/runs/log-batch
      unknown-route GET /api/2.0/mlflow/runs/restore
      unknown-route GET /api/2.0/mlflow/runs/search
      unknown-route GET /api/3.0/mlflow/scorers/delete
      unknown-route GET /api/3.0/mlflow/review-queues/delete
      unknown-route GET /api/3.0/mlflow/label-schemas/delete
      unknown-route GET /ajax-api/3.0/mlflow/demo/delete
      unknown-route GET /api/2.0/mlflow-artifacts/mpu/create/0/a/artifacts/model
      unknown-route GET /ajax-api/2.0/mlflow/upload-artifact
      unknown-route GET /gateway/m/mlflow/invocations
      unknown-route GET /v1/traces
    `);
    it.each(rows)('is %s: %s', (expected, line) => {
      expect(verbOf(policy, line)).toBe(expected);
    });

    it('lets a reader search by POST and denies it to create, log, delete and promote', () => {
      const reader = loadPreset('mlflow', 'service: [read]');
      const denied = (line: string): void => {
        expect(decideLine(reader, line)).toMatchObject({ effect: 'deny', reason: 'not-granted', verb: 'write' });
      };
      expect(verbOf(reader, 'POST /api/2.0/mlflow/runs/search')).toBe('read');
      expect(verbOf(reader, 'POST /ajax-api/2.0/mlflow/registered-models/get-latest-versions')).toBe('read');
      expect(verbOf(reader, 'GET /api/2.0/mlflow-artifacts/artifacts/1/models/m/model.safetensors')).toBe('read');
      denied('POST /api/2.0/mlflow/runs/create');
      denied('POST /ajax-api/2.0/mlflow/runs/log-batch');
      denied('POST /api/2.0/mlflow/runs/delete');
      denied('DELETE /api/2.0/mlflow/registered-models/delete');
      denied('POST /api/2.0/mlflow/registered-models/alias');
      denied('PUT /api/2.0/mlflow-artifacts/artifacts/1/models/m/model.safetensors');
      denied('POST /graphql');
    });
  });

  describe('knows no other spelling', () => {
    const rows = table(`
      unknown-route GET /API/2.0/mlflow/runs/get
      unknown-route GET /api/2.0/MLflow/runs/get
      unknown-route GET /api/2.0/mlflow/Runs/get
      unknown-route GET /api/2.0/mlflow/runs/get/
      unknown-route GET /api/2.0/mlflow/runs/get/x
      unknown-route GET /api/2.0/mlflow/runs
      unknown-route GET /api/2.0/preview/mlflow/runs/get
      unknown-route GET /api/2.1/mlflow/runs/get
      unknown-route GET /api/1.0/mlflow/runs/get
      unknown-route GET /api/3.0/mlflow/runs/get
      unknown-route GET /ajax/2.0/mlflow/runs/get
      unknown-route GET /xapi/2.0/mlflow/runs/get
      unknown-route GET /prefix/api/2.0/mlflow/runs/get
      unknown-route GET /mlflow/runs/get
      unknown-route get /api/2.0/mlflow/runs/get
      unknown-route POST /api/2.0/mlflow/runs/get
      unknown-route TRACE /api/2.0/mlflow/runs/get
      unknown-route POST /api/2.0/mlflow/experiments/search-datasets
      unknown-route GET /api/2.0/mlflow/users
      unknown-route PUT /api/2.0/mlflow-artifacts/artifacts
      unknown-route POST /api/2.0/mlflow-artifacts/artifacts/a
      unknown-route PATCH /api/2.0/mlflow-artifacts/artifacts/a
      unknown-route DELETE /api/2.0/mlflow-artifacts/artifacts
      unknown-route POST /api/2.0/mlflow-artifacts/mpu/create
      unknown-route POST /api/2.0/mlflow-artifacts/mpu/destroy/a
      unknown-route POST /gateway/m/n/mlflow/invocations
      unknown-route POST /gateway/proxy/m
      unknown-route POST /ajax-api/3.0/jobs
      unknown-route PUT /graphql
      unknown-route POST /health
      unknown-route POST /
      unknown-route GET /favicon.ico
      unknown-route GET /static-files
    `);
    it.each(rows)('is %s: %s', (expected, line) => {
      expect(verbOf(policy, line)).toBe(expected);
    });
  });

  it('keeps administration from whoever has every other verb', () => {
    const bare = loadPreset('mlflow', 'service');
    const admin = table(MLFLOW_ROUTES).filter(([expected]) => expected === 'admin');
    expect(admin.length).toBeGreaterThan(80);
    for (const [, line] of admin) expect(verbOf(bare, line)).toBe('not-granted');
  });

  it('sees the path of a proxied artifact, encoded or not, so that a rule can restrict it', () => {
    const rules = '{ target: service, verbs: [read], paths: [/api/2.0/mlflow-artifacts/artifacts/7/**] }';
    const restricted = loadPreset('mlflow', rules);
    expect(verbOf(restricted, 'GET /api/2.0/mlflow-artifacts/artifacts/7/run/artifacts/a%20b.bin')).toBe('read');
    expect(verbOf(restricted, 'GET /api/2.0/mlflow-artifacts/artifacts/70/run/artifacts/a.bin')).toBe(
      'conditions-not-met',
    );
    expect(verbOf(restricted, 'GET /ajax-api/2.0/mlflow-artifacts/artifacts/7/run/a')).toBe('conditions-not-met');
  });
});
