import { describe, expect, it } from 'vitest';
import { loadPreset, table, verbOf } from './preset.ts';

/** Every HTTP route of Feast 0.67.0's registry and lineage servers, which answer with and without /api/v1. */
const REGISTRY_ROUTES = table(`
  read GET /entities
  read GET /entities/all
  read GET /entities/driver
  read GET /data_sources
  read GET /data_sources/all
  read GET /data_sources/s
  read GET /feature_views
  read GET /feature_views/all
  read GET /feature_views/v
  read GET /feature_services
  read GET /feature_services/all
  read GET /feature_services/s
  read GET /label_views
  read GET /label_views/all
  read GET /label_views/v
  read GET /permissions
  read GET /permissions/p
  read GET /projects
  read GET /projects/p
  read GET /features
  read GET /features/all
  read GET /features/view/feature
  read GET /labels
  read GET /labels/all
  read GET /saved_datasets
  read GET /saved_datasets/all
  read GET /saved_datasets/jobs
  read GET /saved_datasets/d
  read GET /saved_datasets/data/d
  read GET /saved_datasets/jobs/0a
  read GET /search?query=driver
  read GET /compute_engines
  read GET /compute_engines/all
  read GET /materialization_jobs
  read GET /lineage/registry
  read GET /lineage/registry/all
  read GET /lineage/complete
  read GET /lineage/complete/all
  read GET /lineage/objects/featureView/v
  read GET /metrics/resource_counts
  read GET /metrics/popular_tags
  read GET /metrics/recently_visited
  read GET /monitoring/jobs/0a
  read GET /monitoring/metrics/features
  read GET /monitoring/metrics/feature_views
  read GET /monitoring/metrics/feature_services
  read GET /monitoring/metrics/baseline
  read GET /monitoring/metrics/timeseries
  read POST /monitoring/compute/transient
  read GET /version
  read GET /openapi.json
  read GET /docs
  write POST /monitoring/compute
  write POST /monitoring/compute/log
  write POST /monitoring/auto_compute
  write POST /monitoring/auto_compute/log
  write POST /saved_datasets
  write POST /saved_datasets/create
  write DELETE /saved_datasets/d
  admin POST /entities
  admin DELETE /entities/driver
  admin POST /data_sources
  admin DELETE /data_sources/s
  admin POST /feature_views
  admin DELETE /feature_views/v
  admin POST /feature_services
  admin DELETE /feature_services/s
  admin POST /permissions
  admin DELETE /permissions/p
  admin POST /registry/refresh

  read GET /lineage/openlineage/events
  read GET /lineage/openlineage/jobs
  read GET /lineage/openlineage/datasets
  read GET /lineage/openlineage/namespaces
  read GET /lineage/openlineage/graph
  read GET /lineage/openlineage/graph/dataset/ns/name
  read GET /lineage/openlineage/datasets/ns/name/versions
  read GET /lineage/openlineage/datasets/ns/name/columns
  read GET /lineage/openlineage/runs
  read GET /lineage/openlineage/runs/0a
  read GET /lineage/openlineage/runs/0a/tree
  read GET /lineage/openlineage/retention
  write POST /lineage
  write POST /lineage/batch
  admin DELETE /lineage/openlineage/reset
  admin POST /lineage/openlineage/retention/prune
`);

const OTHER_ROUTES = table(`
  read POST /get-online-features
  read POST /retrieve-online-documents
  read POST /search
  read GET /v1/vector_stores
  read GET /v1/vector_stores/vs_0a
  read POST /v1/vector_stores/vs_0a/search
  read GET /health
  read HEAD /health
  read GET /metrics
  read GET /redoc
  read GET /docs/oauth2-redirect
  read GET /
  read GET /api/v1/
  write POST /push
  write POST /api/v1/push
  write POST /write-to-online-store
  admin POST /materialize
  admin POST /materialize-incremental

  read POST /api/v1/get-online-labels
  read POST /api/v1/list-labels
  read POST /api/v1/label-quality
  read POST /api/v1/active-learning/candidates
  read POST /api/v1/training-dataset/export
  read GET /api/v1/webhook/config/v
  read GET /api/v1/annotation-config/v
  write POST /api/v1/batch-push
  write POST /api/v1/webhook/label-ingest

  read GET /p/project/feature-view/v
  read GET /static/js/main.0a.js
  read GET /projects-list.json
  read GET /favicon.ico
  read GET /logo192.png
  read GET /api/mlflow-runs
  read GET /api/mlflow-feature-usage
  read GET /api/mlflow-feature-models
`);

describe('the feast protocol', () => {
  const policy = loadPreset('feast');

  it.each([...REGISTRY_ROUTES, ...OTHER_ROUTES])('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });

  it.each(REGISTRY_ROUTES)('is %s under /api/v1 too: %s', (expected, line) => {
    expect(verbOf(policy, line.replace(' /', ' /api/v1/'))).toBe(expected);
  });

  const others = table(`
    unknown-route GET /get-online-features
    unknown-route HEAD /get-online-features
    unknown-route OPTIONS /get-online-features
    unknown-route PUT /get-online-features
    unknown-route post /get-online-features
    unknown-route POST /get-online-features/
    unknown-route POST /Get-Online-Features
    unknown-route POST /get_online_features
    unknown-route POST /api/v1/get-online-features
    unknown-route POST /get-online-features/x
    unknown-route GET /push
    unknown-route HEAD /push
    unknown-route OPTIONS /push
    unknown-route DELETE /push
    unknown-route POST /push/
    unknown-route GET /write-to-online-store
    unknown-route GET /materialize
    unknown-route HEAD /materialize
    unknown-route OPTIONS /materialize
    unknown-route POST /materialize/
    unknown-route POST /Materialize
    unknown-route POST /materialize_incremental
    unknown-route POST /api/v1/materialize
    unknown-route POST /materialize/incremental
    unknown-route POST /v1/vector_stores
    unknown-route DELETE /v1/vector_stores/vs_0a
    unknown-route POST /health
    unknown-route POST /chat
    unknown-route GET /chat
    unknown-route GET /ws/chat
    unknown-route POST /mcp
    unknown-route GET /sse
    unknown-route PUT /entities/driver
    unknown-route PATCH /entities/driver
    unknown-route DELETE /entities
    unknown-route POST /entities/driver
    unknown-route GET /entities/a/b
    unknown-route GET /api/v2/entities
    unknown-route GET /api/v1/api/v1/entities
    unknown-route POST /projects
    unknown-route DELETE /projects/p
    unknown-route DELETE /label_views/v
    unknown-route GET /registry/refresh
    unknown-route GET /lineage/openlineage/reset
    unknown-route POST /lineage/openlineage/reset
    unknown-route GET /lineage/openlineage/retention/prune
    unknown-route DELETE /lineage
    unknown-route POST /batch-push
    unknown-route POST /webhook/label-ingest
    unknown-route GET /api/v1/webhook/label-ingest
    unknown-route GET /registry.db
  `);
  it.each(others)('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });

  it('lets a reader fetch features and denies it to push, and a bare grant to materialize', () => {
    const reader = loadPreset('feast', 'service: [read]');
    const bare = loadPreset('feast', 'service');
    expect(verbOf(reader, 'POST /get-online-features')).toBe('read');
    expect(verbOf(reader, 'POST /push')).toBe('not-granted');
    expect(verbOf(bare, 'POST /push')).toBe('write');
    expect(verbOf(bare, 'POST /materialize')).toBe('not-granted');
    expect(verbOf(bare, 'DELETE /api/v1/feature_views/v')).toBe('not-granted');
  });
});
