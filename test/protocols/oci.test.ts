import { describe, expect, it } from 'vitest';
import { decideLine, loadPreset, table, verbOf } from './preset.ts';

const DIGEST = 'sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b';

const ROWS = table(`
  read              GET /v2/
  read              HEAD /v2/
  read              GET /v2
  read              GET /v2/_catalog
  read              GET /v2/_catalog?n=100&last=library/ubuntu
  read              GET /v2/_oci/ext/discover
  read              GET /v2/model/manifests/latest
  read              HEAD /v2/model/manifests/latest
  read              GET /v2/team/model/manifests/${DIGEST}
  read              GET /v2/team/model/manifests/sha256%3A6c3c624b
  read              GET /v2/a/b/c/d/manifests/1.0
  read              GET /v2/model/blobs/${DIGEST}
  read              HEAD /v2/a/b/blobs/${DIGEST}
  read              GET /v2/a/b/tags/list
  read              GET /v2/a/b/tags/list?n=10&last=v1
  read              GET /v2/a/b/referrers/${DIGEST}
  read              GET /v2/a/b/referrers/${DIGEST}?artifactType=application/vnd.example.sbom
  read              GET /v2/a/b/_oci/ext/discover
  read              GET /v2/blobs/manifests/latest
  read              GET /v2/a/manifests/blobs/sha256:00

  write             POST /v2/model/blobs/uploads/
  write             POST /v2/a/b/blobs/uploads/
  write             POST /v2/a/b/blobs/uploads/?digest=${DIGEST}
  write             POST /v2/a/b/blobs/uploads/?digest-algorithm=sha512
  write             POST /v2/a/b/blobs/uploads/?from=other
  write             PATCH /v2/a/b/blobs/uploads/0d8a?_state=x
  write             PUT /v2/a/b/blobs/uploads/0d8a?_state=x&digest=${DIGEST}
  write             GET /v2/a/b/blobs/uploads/0d8a
  write             HEAD /v2/a/b/blobs/uploads/0d8a
  write             DELETE /v2/a/b/blobs/uploads/0d8a
  write             PUT /v2/a/b/manifests/v1
  write             PUT /v2/a/b/manifests/${DIGEST}?tag=v1&tag=v2
  write             DELETE /v2/a/b/manifests/v1
  write             DELETE /v2/a/b/manifests/${DIGEST}
  write             DELETE /v2/a/b/blobs/${DIGEST}

  write             POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=library/ubuntu
  write             POST /v2/a/b/blobs/uploads/?from=library%2Fubuntu&mount=sha256%3A00
  write             POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=c&x=y
  missing-parameter POST /v2/a/b/blobs/uploads/?mount=${DIGEST}
  missing-parameter POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&From=c
  missing-parameter POST /v2/a/b/blobs/uploads/?%6dount=${DIGEST}
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=&from=c
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount&from=c
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=../secret
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=a/../secret
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=a//b
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=/a
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=a%2f..%2fsecret
  unsafe-parameter  POST /v2/a/b/blobs/uploads/?mount=x%0d%0a&from=a
  ambiguous-query   POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&mount=x&from=c
  ambiguous-query   POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=c&from=d
  ambiguous-query   POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=c&%66rom=d
  ambiguous-query   POST /v2/a/b/blobs/uploads/?digest=x;mount=${DIGEST}&from=c
  ambiguous-query   POST /v2/a/b/blobs/uploads/?mount=${DIGEST}&from=%ff

  unknown-route     GET /
  unknown-route     GET /v1/
  unknown-route     GET /V2/
  unknown-route     POST /v2/
  unknown-route     DELETE /v2/
  unknown-route     DELETE /v2/_catalog
  unknown-route     GET /v2/manifests/latest
  unknown-route     GET /v2/model/Manifests/latest
  unknown-route     GET /v2/model/manifests
  unknown-route     GET /v2/model/manifests/latest/
  unknown-route     GET /v2/model/manifests/a/b
  unknown-route     GET /v2/model/tags
  unknown-route     GET /v2/model/tags/list/
  unknown-route     PUT /v2/model/tags/list
  unknown-route     GET /v2/model/blobs/uploads/
  unknown-route     POST /v2/model/blobs/uploads
  unknown-route     POST /v2/model/blobs/uploads/0d8a
  unknown-route     PUT /v2/model/blobs/${DIGEST}
  unknown-route     POST /v2/model/manifests/latest
  unknown-route     PATCH /v2/model/manifests/latest
  unknown-route     DELETE /v2/model/tags/list
  unknown-route     GET /v2/token
  unknown-route     POST /v2/_zot/ext/search
  unknown-route     OPTIONS /v2/model/manifests/latest
  unknown-route     head /v2/model/manifests/latest
`);

describe('the oci protocol', () => {
  const policy = loadPreset('oci');
  it.each(ROWS)('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });
});

describe('PA-104 a cross-repository mount under rules that restrict paths', () => {
  const mount = (from: string): string => `POST /v2/team/model/blobs/uploads/?mount=${DIGEST}&from=${from}`;

  it('is denied when only the target may be written', () => {
    const policy = loadPreset('oci', '{ target: service, verbs: [write], paths: [/v2/team/**] }');
    const decision = decideLine(policy, mount('other/secret'));
    expect(decision).toMatchObject({ effect: 'deny', verb: 'read' });
  });

  it('is denied when the source is outside what may be read', () => {
    const policy = loadPreset('oci', '{ target: service, verbs: [read, write], paths: [/v2/team/**] }');
    expect(decideLine(policy, mount('other/secret'))).toMatchObject({ effect: 'deny', reason: 'conditions-not-met' });
    expect(decideLine(policy, mount('team-evil/secret')).effect).toBe('deny');
    expect(decideLine(policy, mount('team/../other/secret')).effect).toBe('deny');
    expect(decideLine(policy, mount('team%2f..%2fother')).effect).toBe('deny');
  });

  it('is allowed when the source may be read, by the spelling with an encoded slash too', () => {
    const policy = loadPreset('oci', '{ target: service, verbs: [read, write], paths: [/v2/team/**] }');
    expect(verbOf(policy, mount('team/base'))).toBe('write');
    expect(verbOf(policy, mount('team%2Fbase'))).toBe('write');
  });

  it('is denied without `from`, when the registry may take the blob from anywhere', () => {
    const policy = loadPreset('oci', '{ target: service, verbs: [read, write], paths: [/v2/team/**] }');
    expect(verbOf(policy, `POST /v2/team/model/blobs/uploads/?mount=${DIGEST}`)).toBe('missing-parameter');
  });

  it('needs the write as well: a reader of both repositories may not mount', () => {
    const policy = loadPreset('oci', 'service: [read]');
    expect(decideLine(policy, mount('team/base'))).toMatchObject({ effect: 'deny', verb: 'write' });
  });

  it('leaves plain uploads to the target as they are', () => {
    const policy = loadPreset('oci', '{ target: service, verbs: [write], paths: [/v2/team/**] }');
    expect(verbOf(policy, 'POST /v2/team/model/blobs/uploads/')).toBe('write');
    expect(decideLine(policy, 'POST /v2/other/model/blobs/uploads/').effect).toBe('deny');
  });
});
