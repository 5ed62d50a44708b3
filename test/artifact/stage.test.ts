import { describe, expect, it } from 'vitest';
import {
  CLEAN,
  DATA,
  envelopeOf,
  EVALUATION_KEY,
  makeBareRun,
  makeRun,
  MODEL,
  POLICY,
  REPORT,
  safetensors,
  sha256,
  statementOf,
  TRAINING_KEY,
  trainingWith,
} from './run-fixture.ts';

const EVIL = safetensors(66);
const LINKED = { input_artifacts: [{ path: 'data/train.csv', sha256: sha256(DATA) }] };
const EVIL_OUTPUT = {
  output_artifacts: [{ path: 'model.safetensors', sha256: sha256(EVIL), signature: 'model.att.json' }],
};
const byData = (predicate: object): string =>
  envelopeOf(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'model', digest: { sha256: sha256(EVIL) } }],
      predicateType: 'https://example.com/stage/v1',
      predicate,
    }),
    EVALUATION_KEY,
  );

describe('which stage a directory is', () => {
  it.each<[string, object, object]>([
    ['that says it is another one', { stage: 'data' }, {}],
    ['that says it is another one, as its signed statement does', { stage: 'data' }, { stage: 'data' }],
    ['that says it is another one of another run', { stage: 'data', run: '2' }, { stage: 'data' }],
  ])('A6 is not for unsigned metadata to say: the directory of a stage %s', async (_name, claim, predicate) => {
    using run = makeRun({
      'training/model.safetensors': EVIL,
      'training/model.att.json': byData(predicate),
      'training/metadata.json': { ...claim, ...EVIL_OUTPUT },
    });
    const found = (await run.findings()).filter(({ rule, verdict }) => rule === 'artifact-stage' && verdict === 'fail');
    expect(found).toContainEqual(
      expect.objectContaining({
        severity: 'critical',
        detail: expect.stringContaining('lies in the directory `training`'),
      }),
    );
    expect((await run.audit()).exitCode).toBe(1);
  });

  it.each(['Training', 'training/sub', 'sub/TRAINING'])(
    'A6 is the same however it is spelled or nested: %s',
    async (home) => {
      using run = makeRun({
        [`${home}/model.bin`]: 'evil',
        [`${home}/artifact_info.json`]: {
          stage: 'data',
          output_artifacts: [{ path: `${home}/model.bin`, sha256: sha256('evil') }],
        },
      });
      expect(await run.open()).toContain(`artifact-stage fail ${home}/artifact_info.json`);
    },
  );

  it('A6 is told by its own name when it says nothing', async () => {
    const { stage: _, ...unnamed } = CLEAN['training/metadata.json'] as { stage: string };
    using run = makeRun({ 'training/metadata.json': unnamed });
    expect(await run.open()).toEqual([]);
  });

  it('A6 is claimed by one directory of a run', async () => {
    using run = makeRun({
      'more/x.csv': 'x',
      'more/metadata.json': { stage: 'data', output_artifacts: [{ path: 'more/x.csv', sha256: sha256('x') }] },
    });
    const open = await run.open();
    expect(open).toContain('artifact-stage fail more/metadata.json');
    expect(open).toContain('artifact-stage fail data/metadata.json');
  });

  it('A6 is a stage of the policy, or nobody answers for it', async () => {
    using run = makeRun({ 'extra/metadata.json': { stage: 'extra', output_artifacts: [] } });
    expect(await run.open()).toContain('artifact-stage fail extra/metadata.json');
  });

  it('A6 is not known where nobody was told which there are', async () => {
    using run = makeRun({}, null);
    expect(await run.open()).toContain('artifact-stage unknown .');
  });
});

describe('stages that a run lacks', () => {
  const GONE = { 'training/metadata.json': null, 'training/model.safetensors': null, 'training/model.att.json': null };

  it('A6 are failures', async () => {
    using run = makeRun(GONE);
    expect(await run.open()).toContain('artifact-stage fail .');
    expect((await run.audit()).exitCode).toBe(1);
  });

  it('A6 are none when the policy does not require them', async () => {
    const policy = POLICY.replace('  training:\n', '  training:\n    required: false\n');
    using run = makeBareRun(
      {
        ...Object.fromEntries(Object.entries(CLEAN).filter(([name]) => !name.startsWith('training'))),
        'evaluation/artifact_info.json': {
          stage: 'evaluation',
          output_artifacts: [
            { path: 'evaluation/report.json', sha256: sha256(REPORT), signature: 'evaluation/report.att.json' },
          ],
        },
      },
      policy,
    );
    expect(await run.open()).toEqual([]);
  });

  it('A6 are unknown while metadata is there that could not be read', async () => {
    using run = makeRun({ 'training/metadata.json': '{' });
    expect(await run.open()).toContain('artifact-stage unknown .');
  });

  it('A6 are asked of every run that is named', async () => {
    const named = { ...(CLEAN['data/metadata.json'] as object), run: '2' };
    using run = makeRun({ 'data/metadata.json': named });
    const details = (await run.findings())
      .filter(({ rule, verdict }) => rule === 'artifact-stage' && verdict === 'fail')
      .map(({ detail }) => detail);
    expect(details.sort()).toEqual([
      'the run `2` has no stage `evaluation`, which the policy names',
      'the run `2` has no stage `training`, which the policy names',
      'the run has no stage `data`, which the policy names',
    ]);
  });
});

describe('the stage that a statement names', () => {
  it.each([[['data']], [null], [7], [{}]])('A6 is a string, or the statement counts for nothing: %j', async (stage) => {
    using run = makeRun({
      'data/train.att.json': envelopeOf(
        statementOf(sha256(DATA)).replace('"finishedOn"', `"stage":${JSON.stringify(stage)},"finishedOn"`),
        EVALUATION_KEY,
      ),
    });
    const found = (await run.findings()).find(
      ({ rule, verdict }) => rule === 'artifact-signature' && verdict === 'fail',
    );
    expect(found?.detail).toContain('the `stage` of the statement is no string');
  });

  it('A6 is not told by a predicate that is no object', async () => {
    const text = statementOf(sha256(MODEL)).replace(/"predicate":\{.*\}\}$/, '"predicate":["training"]}');
    using run = makeRun({ 'training/model.att.json': envelopeOf(text, TRAINING_KEY) });
    expect(await run.open()).toContain('artifact-signature fail model.safetensors');
  });

  it('A6 is needed of a signer of several stages', async () => {
    using run = makeRun({ 'data/train.att.json': envelopeOf(statementOf(sha256(DATA)), EVALUATION_KEY) });
    const { exitCode } = await run.audit();
    expect(await run.open()).toContain('artifact-signer unknown data/train.csv');
    expect(exitCode).toBe(3);
  });

  it('A6 is not needed of a signer of one stage', async () => {
    using run = makeRun({
      'training/model.att.json': envelopeOf(statementOf(sha256(MODEL)), TRAINING_KEY),
      'training/metadata.json': trainingWith({ sha256: sha256(MODEL), signature: 'training/model.att.json' }, LINKED),
    });
    expect(await run.open()).toEqual([]);
  });
});
