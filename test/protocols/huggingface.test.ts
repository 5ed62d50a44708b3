import { describe, expect, it } from 'vitest';
import { decideLine, loadPreset, table, verbOf, type Expected } from './preset.ts';

/** What can be asked of every repository; `R` stands for it in the API. */
const REPOSITORY_ROUTES = table(`
  read GET /api/R
  read GET /api/R?blobs=true
  read GET /api/R/revision/main
  read GET /api/R/tree/main
  read GET /api/R/tree/main/data
  read GET /api/R/tree/main/data/train/0
  read POST /api/R/paths-info/main
  read GET /api/R/refs
  read GET /api/R/commits/main
  read GET /api/R/likers
  read GET /api/R/lfs-files
  read GET /api/R/auth-check
  read GET /api/R/discussions
  read GET /api/R/discussions/7
  read GET /api/R/xet-read-token/main
  write POST /api/R/preupload/main
  write POST /api/R/commit/main
  write POST /api/R/commit/main?create_pr=1
  write POST /api/R/branch/dev
  write DELETE /api/R/branch/dev
  write POST /api/R/tag/v1
  write DELETE /api/R/tag/v1
  write POST /api/R/discussions
  write POST /api/R/discussions/7/comment
  write POST /api/R/discussions/7/merge
  write POST /api/R/discussions/7/comment/0a/edit
  write GET /api/R/xet-write-token/main
  write HEAD /api/R/xet-write-token/main
  admin PUT /api/R/settings
  admin POST /api/R/super-squash/main
  admin POST /api/R/lfs-files/batch
  admin POST /api/R/lfs-files/duplicate
  admin GET /api/R/user-access-request/pending
  admin POST /api/R/user-access-request/handle
  admin POST /api/R/user-access-request/grant
  admin POST /api/R/duplicate
`);

/** The same without /api: files and git. */
const FILE_ROUTES = table(`
  read GET /R/resolve/main/config.json
  read HEAD /R/resolve/main/config.json
  read GET /R/resolve/0a1b/a/b/c/model.safetensors?download=true
  read GET /R/resolve/main/with%20space.bin
  read GET /R/raw/main/README.md
  read GET /R/info/refs?service=git-upload-pack
  read GET /R.git/info/refs?service=git-upload-pack
  read GET /R.git/info/refs?%73ervice=git-upload-pack
  read POST /R.git/git-upload-pack
  write GET /R/info/refs?service=git-receive-pack
  write GET /R.git/info/refs?service=git-receive-pack
  write GET /R.git/info/refs?service=git%2Dreceive%2Dpack
  write POST /R/git-receive-pack
  write POST /R.git/git-receive-pack
  write POST /R.git/info/lfs/objects/batch
  write POST /R/info/lfs/objects/batch
  write POST /R.git/info/lfs/objects/verify

  ambiguous-query GET /R.git/info/refs?service=git-upload-pack&service=git-receive-pack
  ambiguous-query GET /R.git/info/refs?service=git-receive-pack&service=git-upload-pack
  ambiguous-query GET /R.git/info/refs?service=git-upload-pack&%73ervice=git-receive-pack
  ambiguous-query GET /R.git/info/refs?service=git-upload-pack;service=git-receive-pack
  unknown-route GET /R.git/info/refs
  unknown-route GET /R.git/info/refs?service=
  unknown-route GET /R.git/info/refs?service=git-upload-archive
  unknown-route GET /R.git/info/refs?service=GIT-UPLOAD-PACK
  unknown-route GET /R.git/info/refs?Service=git-upload-pack
  unknown-route POST /R.git/info/refs?service=git-upload-pack
  unknown-route HEAD /R.git/info/refs?service=git-upload-pack
  unknown-route GET /R.git/git-upload-pack
  unknown-route GET /R.git/git-receive-pack
  unknown-route POST /R.git/git-upload-archive
  unknown-route GET /R.git/HEAD
  unknown-route GET /R.git/info/lfs/objects/batch
  unknown-route POST /R.git/info/lfs/locks
  unknown-route PUT /R/resolve/main/config.json
  unknown-route POST /R/resolve/main/config.json
  unknown-route DELETE /R/resolve/main/config.json
  unknown-route OPTIONS /R/resolve/main/config.json
  unknown-route GET /R/resolve/main
  unknown-route GET /R/Resolve/main/config.json
`);

const IN_API = ['models/gpt2', 'models/org/m', 'datasets/squad', 'datasets/org/d', 'spaces/org/s', 'kernels/org/k'];
const IN_PATHS = ['gpt2', 'org/m', 'datasets/squad', 'datasets/org/d', 'spaces/org/s', 'kernels/org/k'];

function forEach(rows: ReturnType<typeof table>, repositories: readonly string[]): [Expected, string][] {
  return repositories.flatMap((name) =>
    rows.map(([expected, line]): [Expected, string] => [expected, line.replace(/R(?=[/.?]|$)/, name)]),
  );
}

const OTHER_ROUTES = table(`
  read GET /api/models
  read GET /api/models?author=org&search=bert
  read GET /api/datasets
  read GET /api/spaces
  read GET /api/whoami-v2
  read GET /api/models-tags-by-type
  read GET /api/datasets-tags-by-type
  read GET /api/models/org/m/safetensors-metadata/model.safetensors
  read GET /api/datasets/org/d/leaderboard
  read GET /api/spaces/org/s/runtime
  read GET /api/spaces/semantic-search?q=x
  read GET /api/spaces/hardware
  read GET /api/spaces/templates
  read GET /api/spaces/zero-gpu/quota
  read GET /api/resolve-cache/models/org/m/0a1b/config.json?etag=x
  read HEAD /api/resolve-cache/models/org/m/0a1b/config.json
  read GET /api/collections
  read GET /api/collections/org/best-0a1b
  read GET /api/users/u/overview
  read GET /api/organizations/o/overview
  read GET /api/papers/2401.00001
  read GET /api/papers/search?q=x
  read GET /api/daily_papers
  read POST /api/validate-yaml
  read GET /api/buckets/org
  read GET /api/buckets/org/b
  read GET /api/buckets/org/b/tree
  read GET /api/buckets/org/b/tree/data
  read POST /api/buckets/org/b/paths-info
  read GET /api/buckets/org/b/xet-read-token
  read GET /buckets/org/b/resolve/data/0.parquet
  write POST /api/repos/create
  write POST /api/complete_multipart?uploadId=x
  write POST /api/collections
  write PATCH /api/collections/org/best-0a1b
  write DELETE /api/collections/org/best-0a1b
  write POST /api/collections/org/best-0a1b/items
  write PATCH /api/collections/org/best-0a1b/items/0a
  write DELETE /api/collections/org/best-0a1b/items/0a
  write POST /api/buckets/org/b
  write POST /api/buckets/org/b/batch
  write GET /api/buckets/org/b/xet-write-token
  admin DELETE /api/repos/delete
  admin POST /api/repos/move
  admin POST /api/collections/org/best-0a1b/resource-group
  admin DELETE /api/buckets/org/b
  admin PUT /api/buckets/org/b/settings
  admin GET /api/spaces/org/s/secrets
  admin POST /api/spaces/org/s/secrets
  admin DELETE /api/spaces/org/s/secrets
  admin POST /api/spaces/org/s/variables
  admin GET /api/spaces/org/s/variables
  admin POST /api/spaces/org/s/hardware
  admin POST /api/spaces/org/s/sleeptime
  admin POST /api/spaces/org/s/pause
  admin POST /api/spaces/org/s/restart?factory=true
  admin POST /api/spaces/org/s/dev-mode
  admin GET /api/spaces/org/s/logs/run
  admin PUT /api/spaces/org/s/volumes
  admin POST /api/jobs/org
  admin GET /api/jobs/org/0a/logs
  admin POST /api/scheduled-jobs/org
  admin GET /api/settings/webhooks
  admin POST /api/settings/webhooks
  admin DELETE /api/settings/webhooks/0a
  admin GET /api/organizations/org/settings/repositories

  unknown-route GET /
  unknown-route GET /org
  unknown-route GET /org/m
  unknown-route GET /api
  unknown-route GET /api/
  unknown-route GET /API/models
  unknown-route GET /api/Models
  unknown-route GET /api/models/
  unknown-route GET /api/models/org/m/
  unknown-route GET /api/models/a/b/c
  unknown-route POST /api/models
  unknown-route DELETE /api/models/org/m
  unknown-route PATCH /api/models/org/m
  unknown-route OPTIONS /api/models/org/m
  unknown-route get /api/models
  unknown-route GET /api/models/org/m/commit/main
  unknown-route GET /api/models/org/m/preupload/main
  unknown-route PUT /api/models/org/m/commit/main
  unknown-route POST /api/models/org/m/commit/main/
  unknown-route POST /api/models/org/m/Commit/main
  unknown-route POST /api/models/org/m/commit
  unknown-route POST /api/models/org/m/commit/a/b
  unknown-route HEAD /api/models/org/m/commit/main
  unknown-route GET /api/models/org/m/tag/v1
  unknown-route POST /api/models/org/m/tree/main
  unknown-route POST /api/models/org/m/xet-write-token/main
  unknown-route GET /api/models/org/m/settings
  unknown-route GET /api/repos/create
  unknown-route GET /api/repos/delete
  unknown-route POST /api/repos/delete
  unknown-route GET /api/repos/move
  unknown-route POST /api/models/org/m/like
  unknown-route GET /api/kernels
  unknown-route POST /uploads
`);

describe('the huggingface protocol', () => {
  const policy = loadPreset('huggingface');

  it.each([...forEach(REPOSITORY_ROUTES, IN_API), ...forEach(FILE_ROUTES, IN_PATHS), ...OTHER_ROUTES])(
    'is %s: %s',
    (expected, line) => {
      expect(verbOf(policy, line)).toBe(expected);
    },
  );

  it('PA-105 denies Git LFS batch to a reader, whose body might ask for an upload', () => {
    const reader = loadPreset('huggingface', 'service: [read]');
    expect(decideLine(reader, 'POST /org/m.git/info/lfs/objects/batch')).toMatchObject({
      effect: 'deny',
      reason: 'not-granted',
      verb: 'write',
    });
    expect(verbOf(reader, 'GET /org/m/resolve/main/model.safetensors')).toBe('read');
  });

  it('never takes a write for a read because a repository is called like a route', () => {
    const names = ['paths-info', 'git-upload-pack', 'resolve', 'raw', 'tree', 'xet-read-token', 'discussions', 'info'];
    const isWrite = ([expected]: readonly [Expected, string]): boolean => expected === 'write' || expected === 'admin';
    const readAfterAll: string[] = [];
    for (const name of names) {
      const owned = [`${name}/m`, `org/${name}`, `${name}/${name}`];
      const inApi = owned.flatMap((id) => [`models/${id}`, `datasets/${id}`, `spaces/${id}`, `kernels/${id}`]);
      const inPaths = owned.flatMap((id) => [id, `datasets/${id}`, `spaces/${id}`]);
      const rows = [
        ...forEach(REPOSITORY_ROUTES.filter(isWrite), inApi),
        ...forEach(FILE_ROUTES.filter(isWrite), inPaths),
      ];
      readAfterAll.push(...rows.map(([, line]) => line).filter((line) => verbOf(policy, line) === 'read'));
    }
    expect(readAfterAll).toEqual([]);
  });

  it('never takes a branch, tag or revision called like a route for that route', () => {
    for (const revision of ['git-upload-pack', 'batch', 'refs', 'main.git', 'resolve']) {
      expect(verbOf(policy, `POST /api/models/org/m/commit/${revision}`)).toBe('write');
      expect(verbOf(policy, `POST /api/models/gpt2/commit/${revision}`)).toBe('write');
      expect(verbOf(policy, `DELETE /api/datasets/org/d/branch/${revision}`)).toBe('write');
      expect(verbOf(policy, `GET /api/models/org/m/xet-write-token/${revision}`)).toBe('write');
    }
  });

  it('sees the repository in the path, so that a rule can restrict it', () => {
    const rule = '{ target: service, verbs: [read], paths: [/org/m/**, /api/models/org/m/**] }';
    const restricted = loadPreset('huggingface', rule);
    expect(verbOf(restricted, 'GET /org/m/resolve/main/config.json')).toBe('read');
    expect(verbOf(restricted, 'GET /api/models/org/m/tree/main')).toBe('read');
    expect(verbOf(restricted, 'GET /org/m-evil/resolve/main/config.json')).toBe('conditions-not-met');
    expect(verbOf(restricted, 'GET /api/models/org/other/tree/main')).toBe('conditions-not-met');
  });
});
