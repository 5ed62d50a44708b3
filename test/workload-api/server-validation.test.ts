// ValidateJWTSVID of a development agent, and the claims that it answers with, decoded by @bufbuild/protobuf.

import { webcrypto } from 'node:crypto';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createJwtAuthority, issueJwtSvid } from '../../src/devca/jwt.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { FETCH_JWT_SVID } from '../../src/workload-api/messages.ts';
import { encodeStruct } from '../../src/protobuf/struct.ts';
import { VALIDATE_JWT_SVID } from '../../src/workload-api/server-validation.ts';
import { call, connect } from './raw-client.ts';
import { entry, partnerBundle, testAgent, TTL_MS } from './server-agent-fixture.ts';

const JOB = '/training/job-1';

function decode(struct: Uint8Array): unknown {
  return toJson(StructSchema, fromBinary(StructSchema, struct));
}

describe('ValidateJWTSVID', () => {
  async function validating() {
    const partner = await partnerBundle();
    const { agent, port } = await testAgent([entry(JOB)], { federatedBundles: [partner] });
    await agent.start();
    const client = connect(agent.endpoint);
    const fetched = await call(client, FETCH_JWT_SVID, { audiences: ['a', 'b'], spiffeId: '' });
    if (!('response' in fetched)) throw new Error('refused');
    const token = fetched.response.svids[0]?.svid ?? '';
    const validate = (audience: string, svid: string) => call(client, VALIDATE_JWT_SVID, { audience, svid });
    return { agent, port, client, token, validate };
  }

  it('answers with ID and claims', async () => {
    const { port, token, validate } = await validating();
    const answer = await validate('b', token);
    if (!('response' in answer)) throw new Error(JSON.stringify(answer));
    expect(answer.response.spiffeId).toBe(entry(JOB).id);
    expect(decode(answer.response.claims)).toEqual({
      sub: entry(JOB).id,
      aud: ['a', 'b'],
      iat: port.nowMs / 1000,
      exp: (port.nowMs + TTL_MS) / 1000,
      jti: expect.any(String),
    });
  });

  it('JW-140 refuses a token for others, JW-141 one that has ended, and rubbish', async () => {
    const { port, token, validate } = await validating();
    const refused = { code: status.INVALID_ARGUMENT };
    expect(await validate('c', token)).toMatchObject(refused);
    expect(await validate('', token)).toEqual({ ...refused, details: 'audience must be specified' });
    expect(await validate('a', '')).toEqual({ ...refused, details: 'svid must be specified' });
    expect(await validate('a', `${token.slice(0, -4)}AAAA`)).toMatchObject(refused);
    expect(await validate('a', 'x')).toMatchObject(refused);
    port.nowMs += TTL_MS;
    expect(await validate('a', token)).toMatchObject(refused);
  });

  it('JW-137 refuses a token of a trust domain that it has no bundle of', async () => {
    const { port, validate } = await validating();
    const trustDomain = parseTrustDomain('evil.example');
    const key = await createJwtAuthority({ trustDomain, keyType: 'p256' }, { crypto: webcrypto });
    const order = { id: parseSpiffeId('spiffe://evil.example/x'), audiences: ['a'], ttlMs: TTL_MS };
    const { token } = issueJwtSvid(key, order, { nowMs: port.nowMs, crypto: webcrypto });
    expect(await validate('a', token)).toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it('knows its own trust domain also for who has no identity, and no other one, as SPIRE does', async () => {
    const { agent, port, token, validate } = await validating();
    const partner = await createJwtAuthority(
      { trustDomain: parseTrustDomain('partner.example'), keyType: 'p256' },
      { crypto: webcrypto },
    );
    const { trustDomain, keyId } = partner;
    await agent.setFederatedBundles([{ trustDomain, authorities: [], jwtAuthorities: new Map([[keyId, partner]]) }]);
    const order = { id: parseSpiffeId('spiffe://partner.example/x'), audiences: ['a'], ttlMs: TTL_MS };
    const foreign = issueJwtSvid(partner, order, { nowMs: port.nowMs, crypto: webcrypto }).token;
    expect(await validate('a', foreign)).toMatchObject({ code: 0 });
    await agent.setEntries([]);
    expect(await validate('a', token)).toMatchObject({ code: 0 });
    expect(await validate('a', foreign)).toMatchObject({ code: status.INVALID_ARGUMENT });
  });
});

describe('encodeStruct', () => {
  it('writes what another implementation reads', () => {
    const values = fc.jsonValue({ maxDepth: 4 });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), values), (members) => {
        // As text: JSON has no negative zero.
        expect(JSON.stringify(decode(encodeStruct(members)))).toBe(JSON.stringify(members));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    [{}],
    [{ empty: '', zero: 0, no: false, nothing: null, list: [], object: {} }],
    [{ deep: [[[{ x: [1.5] }]]] }],
  ])('keeps %j', (members) => expect(decode(encodeStruct(members))).toEqual(members));
});
