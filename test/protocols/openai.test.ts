import { describe, expect, it } from 'vitest';
import { loadPreset, table, verbOf } from './preset.ts';

/** Every route of vLLM 0.33.0, whatever the mode or flag that turns it on. */
const ROUTES = table(`
  infer POST /v1/chat/completions
  infer POST /v1/chat/completions/batch
  infer POST /v1/chat/completions/render
  infer POST /v1/chat/completions/derender
  infer POST /v1/completions
  infer POST /v1/completions/render
  infer POST /v1/completions/derender
  infer POST /v1/embeddings
  infer POST /v1/responses
  infer POST /v1/responses/render
  infer GET /v1/responses/resp_0a
  infer GET /v1/responses/resp_0a?stream=true
  infer POST /v1/responses/resp_0a/cancel
  infer POST /v1/messages
  infer POST /v1/messages/count_tokens
  infer POST /v1/messages/render
  infer POST /v1/score
  infer POST /v1/rerank
  infer POST /v1/decisions
  infer POST /v1/systemone
  infer POST /v1/audio/transcriptions
  infer POST /v1/audio/translations
  infer GET /v1/realtime
  infer GET /v1/realtime?model=whisper
  infer POST /v2/rerank
  infer POST /v2/embed
  infer POST /cohere/v2/chat
  infer POST /cohere/v2/chat/render
  infer POST /score
  infer POST /rerank
  infer POST /pooling
  infer POST /classify
  infer POST /generative_scoring
  infer POST /tokenize
  infer POST /detokenize
  infer POST /inference/v1/generate

  read GET /v1/models
  read HEAD /v1/models
  read GET /v1/models/llama
  read GET /v1/models/meta-llama/Llama-3.1-8B
  read GET /health
  read HEAD /health
  read GET /version
  read GET /load
  read GET /ping
  read POST /ping
  read GET /metrics
  read GET /metrics/
  read GET /tokenizer_info
  read GET /kv_event_sources
  read GET /ready
  read GET /readyz
  read GET /is_paused
  read GET /is_sleeping
  read GET /weight_info
  read GET /get_world_size?include_dp=false
  read GET /fault_tolerance/status
  read POST /is_scaling_elastic_ep
  read GET /docs
  read GET /docs/oauth2-redirect
  read GET /redoc
  read GET /openapi.json
  read GET /static/swagger-ui.css

  admin GET /server_info
  admin GET /server_info?config_format=json
  admin HEAD /server_info
  admin POST /invocations
  admin POST /v1/load_lora_adapter
  admin POST /v1/unload_lora_adapter
  admin POST /adapters
  admin DELETE /adapters/my-lora
  admin POST /init_weight_transfer_engine
  admin POST /shutdown_weight_transfer_engine
  admin POST /start_weight_update
  admin POST /start_draft_weight_update
  admin POST /update_weights
  admin POST /finish_weight_update
  admin POST /update_weight_version
  admin POST /weight_checker
  admin POST /pause
  admin POST /resume
  admin POST /sleep?level=2
  admin POST /wake_up?tags=weights&tags=kv_cache
  admin POST /release_kv_cache_memory
  admin POST /abort_requests
  admin POST /inference/v1/abort_requests
  admin POST /collective_rpc
  admin POST /reset_prefix_cache
  admin POST /reset_mm_cache
  admin POST /reset_encoder_cache
  admin POST /start_profile
  admin POST /stop_profile
  admin POST /scale_elastic_ep
  admin POST /fault_tolerance/apply
`);

describe('the openai protocol', () => {
  const policy = loadPreset('openai');

  it.each(ROUTES)('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });

  const others = table(`
    unknown-route GET /
    unknown-route GET /v1
    unknown-route GET /v1/
    unknown-route GET /v1/chat/completions
    unknown-route HEAD /v1/chat/completions
    unknown-route OPTIONS /v1/chat/completions
    unknown-route PUT /v1/chat/completions
    unknown-route post /v1/chat/completions
    unknown-route POST /v1/chat/completions/
    unknown-route POST /V1/chat/completions
    unknown-route POST /v1/Chat/completions
    unknown-route POST /chat/completions
    unknown-route POST /openai/v1/chat/completions
    unknown-route POST /v2/chat/completions
    unknown-route POST /v1/chat/completions/x
    unknown-route POST /v1/models
    unknown-route DELETE /v1/models/ft:gpt-4o
    unknown-route POST /v1/files
    unknown-route GET /v1/files
    unknown-route POST /v1/batches
    unknown-route POST /v1/fine_tuning/jobs
    unknown-route POST /v1/images/generations
    unknown-route GET /v1/responses
    unknown-route DELETE /v1/responses/resp_0a
    unknown-route GET /v1/responses/resp_0a/cancel
    unknown-route HEAD /v1/responses/resp_0a
    unknown-route GET /v1/responses/resp_0a/input_items
    unknown-route HEAD /v1/realtime
    unknown-route GET /invocations
    unknown-route POST /invocations/
    unknown-route POST /Invocations
    unknown-route GET /pause
    unknown-route GET /sleep
    unknown-route HEAD /sleep
    unknown-route OPTIONS /update_weights
    unknown-route PUT /update_weights
    unknown-route GET /collective_rpc
    unknown-route POST /v1/collective_rpc
    unknown-route POST /load_lora_adapter
    unknown-route GET /v1/load_lora_adapter
    unknown-route POST /v1/reload_lora_adapter
    unknown-route GET /adapters
    unknown-route POST /adapters/my-lora
    unknown-route DELETE /adapters
    unknown-route DELETE /adapters/a/b
    unknown-route POST /server_info
    unknown-route GET /server_info/
    unknown-route POST /health
    unknown-route GET /is_scaling_elastic_ep
    unknown-route POST /metrics
    unknown-route GET /metrics/x
    unknown-route GET /docs/x
    unknown-route GET /generate
    unknown-route POST /generate
  `);
  it.each(others)('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });

  it('PA-106 denies every administrative route to whoever may read, write and infer', () => {
    const bare = loadPreset('openai', 'service');
    for (const [expected, line] of ROUTES) {
      expect([line, verbOf(bare, line)]).toEqual([line, expected === 'admin' ? 'not-granted' : expected]);
    }
  });

  it('PA-106 lets a rule on some inference paths not be passed by through /invocations', () => {
    const rule = '{ target: service, verbs: [infer], paths: [/v1/embeddings] }';
    const embedder = loadPreset('openai', rule);
    expect(verbOf(embedder, 'POST /v1/embeddings')).toBe('infer');
    expect(verbOf(embedder, 'POST /v1/chat/completions')).toBe('conditions-not-met');
    expect(verbOf(embedder, 'POST /invocations')).toBe('not-granted');
  });

  it('grants /invocations by name where SageMaker needs it, and nothing else of admin with it', () => {
    const sagemaker = loadPreset('openai', '{ target: service, verbs: [admin], paths: [/invocations] }');
    expect(verbOf(sagemaker, 'POST /invocations')).toBe('admin');
    expect(verbOf(sagemaker, 'POST /sleep')).toBe('conditions-not-met');
  });
});
