import { describe, expect, it } from 'vitest';
import { loadPreset, table, verbOf } from './preset.ts';

/** Every route of Triton and of KServe 0.21. */
const ROUTES = table(`
  infer POST /v2/models/m/infer
  infer POST /v2/models/m/versions/1/infer
  infer POST /v2/models/m/generate
  infer POST /v2/models/m/versions/1/generate
  infer POST /v2/models/m/generate_stream
  infer POST /v2/models/m/versions/1/generate_stream
  infer POST /v2/models/my%20model/infer
  infer POST /v1/models/m:predict
  infer POST /v1/models/m%3Apredict
  infer POST /v1/models/m%3apredict
  infer POST /v1/models/m:explain
  infer POST /v1/models/m:classify
  infer POST /v1/models/m:regress
  infer POST /v1/models/m/versions/3:predict
  infer POST /v1/models/m/labels/stable:predict
  infer POST /openai/v1/chat/completions
  infer POST /openai/v1/completions
  infer POST /openai/v1/embeddings
  infer POST /openai/v1/rerank
  infer POST /v1/timeseries/forecast

  read GET /
  read GET /metrics
  read GET /v2
  read GET /v2/
  read GET /v2/health/live
  read GET /v2/health/ready
  read HEAD /v2/health/ready
  read GET /v2/models
  read GET /v2/models/stats
  read GET /v2/models/m
  read GET /v2/models/m/ready
  read GET /v2/models/m/config
  read GET /v2/models/m/stats
  read GET /v2/models/m/versions/1
  read GET /v2/models/m/versions/1/ready
  read GET /v2/models/m/versions/1/config
  read GET /v2/models/m/versions/1/stats
  read POST /v2/repository/index
  read POST /v2/repository/models/index
  read GET /v2/systemsharedmemory/status
  read GET /v2/systemsharedmemory/region/r/status
  read GET /v2/cudasharedmemory/status
  read GET /v2/cudasharedmemory/region/r/status
  read GET /v2/trace/setting
  read GET /v2/models/m/trace/setting
  read GET /v2/logging
  read GET /v1/models
  read GET /v1/models/m
  read GET /v1/models/m/metadata
  read GET /v1/models/m/versions/3
  read GET /v1/models/m/versions/3/metadata
  read GET /v1/models/m/labels/stable/metadata
  read GET /v1/timeseries/models
  read GET /openai/v1/models
  read GET /openai/v1/models/m

  admin POST /v2/repository/models/m/load
  admin POST /v2/repository/models/m/unload
  admin POST /v2/repository/store/models/m/load
  admin POST /v2/repository/store/models/m/unload
  admin POST /v2/systemsharedmemory/region/r/register
  admin POST /v2/systemsharedmemory/region/r/unregister
  admin POST /v2/systemsharedmemory/unregister
  admin POST /v2/cudasharedmemory/region/r/register
  admin POST /v2/cudasharedmemory/region/r/unregister
  admin POST /v2/cudasharedmemory/unregister
  admin POST /v2/trace/setting
  admin POST /v2/models/m/trace/setting
  admin POST /v2/logging
`);

describe('the kserve-v2 protocol', () => {
  const policy = loadPreset('kserve-v2');

  it.each(ROUTES)('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });

  const others = table(`
    unknown-route GET /v2/models/m/infer
    unknown-route HEAD /v2/models/m/infer
    unknown-route OPTIONS /v2/models/m/infer
    unknown-route PUT /v2/models/m/infer
    unknown-route post /v2/models/m/infer
    unknown-route POST /v2/models/m/infer/
    unknown-route POST /v2/models/m/Infer
    unknown-route POST /V2/models/m/infer
    unknown-route POST /v2/models/a/b/infer
    unknown-route POST /v2/models/infer
    unknown-route POST /v2/models/m
    unknown-route POST /v2/models/m/versions/infer
    unknown-route POST /v2/models/m/config
    unknown-route DELETE /v2/models/m
    unknown-route GET /v2/models/
    unknown-route GET /v2/models/m/
    unknown-route GET /v2/models/m/versions
    unknown-route GET /v2/models/m/unknown
    unknown-route POST /v2/health/ready
    unknown-route GET /v2/health
    unknown-route GET /v2/repository/index
    unknown-route GET /v2/repository/models/m/load
    unknown-route HEAD /v2/repository/models/m/load
    unknown-route OPTIONS /v2/repository/models/m/load
    unknown-route PUT /v2/repository/models/m/load
    unknown-route POST /v2/repository/models/m/load/
    unknown-route POST /v2/repository/models/m/Load
    unknown-route POST /v2/repository/models/m/reload
    unknown-route POST /v2/repository/models/a/b/load
    unknown-route POST /v2/repository/a/b/models/m/load
    unknown-route POST /v2/models/m/load
    unknown-route GET /v2/systemsharedmemory/region/r/register
    unknown-route POST /v2/systemsharedmemory/register/r
    unknown-route POST /v2/systemsharedmemory/region/r/status
    unknown-route POST /v2/xpusharedmemory/unregister
    unknown-route PUT /v2/trace/setting
    unknown-route PUT /v2/logging
    unknown-route GET /v1/models/
    unknown-route POST /v1/models/m
    unknown-route POST /v1/models/:predict
    unknown-route POST /v1/models/m:train
    unknown-route POST /v1/models/m:Predict
    unknown-route POST /v1/models/m:predict/
    unknown-route POST /v1/models/a/b:predict
    unknown-route POST /v1/models/m/versions:predict
    unknown-route DELETE /v1/models/m:predict
    unknown-route POST /v1/config/reload
    unknown-route POST /invocations
    unknown-route GET /ping
    unknown-route POST /v1/chat/completions
    unknown-route POST /openai/v1/models
  `);
  it.each(others)('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });

  it('PA-106 denies loading, unloading and every other setting to whoever may read, write and infer', () => {
    const bare = loadPreset('kserve-v2', 'service');
    for (const [expected, line] of ROUTES) {
      expect([line, verbOf(bare, line)]).toEqual([line, expected === 'admin' ? 'not-granted' : expected]);
    }
  });

  it('tells models apart by path, with a colon in either spelling', () => {
    const rule = '{ target: service, verbs: [infer], paths: [/v2/models/fraud/**, "/v1/models/fraud:predict"] }';
    const restricted = loadPreset('kserve-v2', rule);
    expect(verbOf(restricted, 'POST /v2/models/fraud/infer')).toBe('infer');
    expect(verbOf(restricted, 'POST /v1/models/fraud%3Apredict')).toBe('infer');
    expect(verbOf(restricted, 'POST /v2/models/fraud-evil/infer')).toBe('conditions-not-met');
    expect(verbOf(restricted, 'POST /v1/models/other:predict')).toBe('conditions-not-met');
  });
});
