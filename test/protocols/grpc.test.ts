// gRPC as the presets know it: a call is a POST to `/package.Service/Method`. Each table is every method of a server's protos.

import { describe, expect, it } from 'vitest';
import { isForwarded } from '../../src/policy/decision.ts';
import { decideLine, loadPreset, type Preset, PRESETS, table, verbOf } from './preset.ts';

/** The tables say the method alone, under the service that precedes it. */
function calls(text: string): ReturnType<typeof table> {
  let service = '';
  const rows: string[] = [];
  for (const line of text.split('\n')) {
    const words = line.trim().split(/ +/);
    const [verb = '', ...methods] = words;
    if (words.length === 1) service = verb;
    else rows.push(...methods.map((method) => `${verb} POST /${service}/${method}`));
  }
  return table(rows.join('\n'));
}

/** Triton's client 2.73, and of TensorFlow Serving the API 2.21. */
const KSERVE_V2 = calls(`
  inference.GRPCInferenceService
  infer ModelInfer ModelStreamInfer
  read  ServerLive ServerReady ServerMetadata
  read  ModelReady ModelMetadata ModelConfig ModelStatistics
  read  RepositoryIndex SystemSharedMemoryStatus CudaSharedMemoryStatus
  admin RepositoryModelLoad RepositoryModelUnload
  admin SystemSharedMemoryRegister SystemSharedMemoryUnregister
  admin CudaSharedMemoryRegister CudaSharedMemoryUnregister
  admin TraceSetting LogSettings

  tensorflow.serving.PredictionService
  infer Predict Classify Regress MultiInference
  read  GetModelMetadata

  tensorflow.serving.ModelService
  read  GetModelStatus
  admin HandleReloadConfigRequest

  tensorflow.serving.SessionService
  admin SessionRun
`);

/** Feast 0.67.0. */
const FEAST = calls(`
  GrpcFeatureServer
  read  GetOnlineFeatures
  write Push WriteToOnlineStore

  feast.serving.ServingService
  read  GetFeastServingInfo GetOnlineFeatures

  feast.serving.TransformationService
  read  GetTransformationServiceInfo TransformFeatures

  feast.registry.RegistryServer
  read  GetEntity GetDataSource GetFeatureView GetAnyFeatureView GetStreamFeatureView GetOnDemandFeatureView
  read  GetLabelView GetFeatureService GetFeature GetSavedDataset GetDatasetData GetDatasetJobStatus
  read  GetValidationReference GetPermission GetProject GetInfra GetRegistryLineage GetObjectRelationships
  read  ListEntities ListDataSources ListFeatureViews ListAllFeatureViews ListStreamFeatureViews
  read  ListOnDemandFeatureViews ListLabelViews ListFeatureServices ListFeatures ListSavedDatasets ListDatasetJobs
  read  ListValidationReferences ListPermissions ListProjects ListProjectMetadata Proto
  write ApplySavedDataset DeleteSavedDataset CreateDatasetFromRetrieval
  write ApplyValidationReference DeleteValidationReference
  admin ApplyEntity DeleteEntity ApplyDataSource DeleteDataSource ApplyFeatureView DeleteFeatureView
  admin ApplyFeatureService DeleteFeatureService ApplyPermission DeletePermission ApplyProject DeleteProject
  admin ApplyMaterialization UpdateInfra Commit Refresh
`);

/** `vllm serve --grpc`, by smg-grpc-proto 0.4.28. */
const OPENAI = calls(`
  vllm.grpc.engine.VllmEngine
  infer Generate Embed
  read  HealthCheck GetModelInfo GetServerInfo GetLoads GetTokenizer
  admin Abort FlushCache StartProfile StopProfile SubscribeKvEvents
`);

const OF_EVERY_SERVER = calls(`
  grpc.health.v1.Health
  read  Check List Watch

  grpc.reflection.v1.ServerReflection
  admin ServerReflectionInfo

  grpc.reflection.v1alpha.ServerReflection
  admin ServerReflectionInfo

  grpc.channelz.v1.Channelz
  admin GetTopChannels GetServers GetServer GetServerSockets GetChannel GetSubchannel GetSocket
`);

const SERVERS: readonly (readonly [Preset, ReturnType<typeof table>])[] = [
  ['kserve-v2', [...KSERVE_V2, ...OF_EVERY_SERVER]],
  ['feast', [...FEAST, ...OF_EVERY_SERVER]],
  ['openai', [...OPENAI, ...OF_EVERY_SERVER]],
];

describe.each(SERVERS)('a gRPC call under the %s protocol', (preset, rows) => {
  const policy = loadPreset(preset);

  it.each(rows)('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });

  it('is a POST and nothing else', () => {
    for (const [, line] of rows) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'post']) {
        const other = line.replace('POST', method);
        expect([other, verbOf(policy, other)]).toEqual([other, 'unknown-route']);
      }
    }
  });

  it('H2-93 is denied when its path is spelled in any way but one', () => {
    for (const [, line] of rows) {
      const [, service = '', method = ''] = line.slice('POST '.length).split('/');
      const unknown = [
        `/${service}/${method}/`,
        `/${service.toLowerCase()}/${method.toLowerCase()}`,
        `/${service}/${method.toLowerCase()}`,
        `/${service.toUpperCase()}/${method}`,
        `/${service}x/${method}`,
        `/x/${service}/${method}`,
        `/${service}`,
        `/${service}/`,
      ];
      for (const path of unknown) expect([path, verbOf(policy, `POST ${path}`)]).toEqual([path, 'unknown-route']);
      // What the codec answers with 400, should it ever come here.
      for (const path of [`//${service}/${method}`, `/${service}//${method}`, `/${service}/./${method}`])
        expect([path, verbOf(policy, `POST ${path}`)]).toEqual([path, 'malformed-path']);
    }
  });

  it('H2-94 is denied without a rule that names the target, health, reflection and channelz too', () => {
    const other = loadPreset(preset, '{ target: peer, verbs: [read, write, infer, admin] }');
    for (const [, line] of rows) expect([line, verbOf(other, line)]).toEqual([line, 'not-granted']);
  });

  it('H2-94 is denied to a bare grant where it administers, reflects or tells channels', () => {
    const bare = loadPreset(preset, 'service');
    for (const [expected, line] of rows)
      expect([line, verbOf(bare, line)]).toEqual([line, expected === 'admin' ? 'not-granted' : expected]);
  });

  it('H2-94 reaches reflection by a rule that names it, and nothing else of admin with it', () => {
    const rule = '{ target: service, verbs: [admin], paths: ["/grpc.reflection.v1.ServerReflection/*"] }';
    const named = loadPreset(preset, 'service', rule);
    for (const [expected, line] of rows) {
      const isNamed = line.startsWith('POST /grpc.reflection.v1.');
      const instead = isNamed ? 'admin' : 'conditions-not-met';
      expect([line, verbOf(named, line)]).toEqual([line, expected === 'admin' ? instead : expected]);
    }
  });

  it('is held to its method by the paths of a rule', () => {
    const [one = ['read', '']] = rows;
    const path = one[1].slice('POST '.length);
    const narrow = loadPreset(preset, `{ target: service, verbs: [read, write, infer, admin], paths: [${path}] }`);
    const allowed = rows.filter(([, line]) => isForwarded(decideLine(narrow, line).effect));
    expect(allowed).toEqual([one]);
  });
});

describe('a gRPC call under a protocol that serves none', () => {
  const servers = new Set<Preset>([...SERVERS.map(([preset]) => preset), 'generic']);
  const rows = [...KSERVE_V2, ...FEAST, ...OPENAI, ...OF_EVERY_SERVER];

  it.each(PRESETS.filter((preset) => !servers.has(preset)))('H2-94 is unknown: %s', (preset) => {
    const policy = loadPreset(preset);
    for (const [, line] of rows) expect([line, verbOf(policy, line)]).toEqual([line, 'unknown-route']);
  });

  it('H2-94 is a write under generic, so that a read rule reaches not even health', () => {
    const policy = loadPreset('generic');
    const reader = loadPreset('generic', 'service: [read]');
    for (const [, line] of rows) {
      expect([line, verbOf(policy, line)]).toEqual([line, 'write']);
      expect([line, verbOf(reader, line)]).toEqual([line, 'not-granted']);
    }
  });
});
