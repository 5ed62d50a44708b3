import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundlesOf, identityOf, OK, ScriptedUpstream, startProxy } from '../support/proxy-fixture.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';

let upstream: ScriptedUpstream;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((_head, socket) => socket.write(OK));
});

afterAll(() => upstream.close());

it('accepts an authority that is not self-signed, at start and after every change', async () => {
  const root = createTestAuthority('ai.example');
  const intermediate = root.intermediate();
  // The bundle holds the intermediate alone (X509-SVID §5.1): nobody here trusts its root.
  const proxy = await startProxy(upstream.port, { authority: intermediate, bundles: [intermediate] });
  const status = async (authority: typeof root): Promise<number> => {
    const peer = await proxy.connect(authority.issue('/training/job'), { rejectUnauthorized: false });
    peer.request('GET', '/x');
    return (await peer.response()).status;
  };
  expect(await status(intermediate)).toBe(200);
  expect(await status(root)).toBe(401);
  proxy.identity.swap(identityOf(intermediate, intermediate.issue('/registry/proxy')));
  expect(await status(intermediate)).toBe(200);
  proxy.trust.swap(bundlesOf([intermediate, createTestAuthority('other.example')]));
  expect(await status(intermediate)).toBe(200);
  await proxy.close();
});
