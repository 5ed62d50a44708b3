import { describe, expect, it } from 'vitest';
import { deployment, directoryOf, runAudit } from './audit-run.ts';

describe('what is reported of an audit', () => {
  it.each([
    ['cluster', ['--namespace', 'mk'], 'nothing of namespace `mk` is among what was read; did you mean `ml`?'],
    ['cluster', ['--namespace', 'ml,elsewhere'], 'nothing of namespace `elsewhere` is among what was read'],
    ['cluster', ['--selector', 'app=wep'], 'nothing among what was read has the labels of --selector'],
    ['connections', ['--namespace', 'nope'], 'nothing of namespace `nope` is among what was read'],
    ['pods', ['--selector', 'app=wep'], 'nothing among what was read has the labels of --selector'],
    ['mtls', ['--namespace', 'nope'], 'nothing of namespace `nope` is among what was read'],
  ])('is not nothing for want of a match: %s %j', async (command, flags, message) => {
    await using files = await directoryOf({ 'web.yaml': deployment('web') });
    const { out, errors, exitCode } = await runAudit([command, files.path, ...flags]);
    expect(errors).toBe(`sallyport: ${message}\n`);
    expect([out, exitCode]).toEqual(['', 2]);
  });

  it('is what the names and labels match', async () => {
    await using files = await directoryOf({ 'web.yaml': deployment('web'), 'api.yaml': deployment('api') });
    const { out, exitCode } = await runAudit(['pods', files.path, '--namespace', 'ml', '--selector', 'app=api']);
    expect(JSON.parse(out)).toMatchObject([{ workload: 'ml/api[Deployment]' }]);
    expect(exitCode).toBe(0);
  });
});
