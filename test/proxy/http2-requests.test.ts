import { describe, expect, it } from 'vitest';
import { ARTICLE_POLICY, compilePolicy, OK } from '../support/proxy-fixture.ts';
import { openSetting } from '../support/proxy-setting.ts';
import { connectFrames } from '../support/http2-frame-peer.ts';
import { CODE, FRAME, POST } from '../support/http2-frames.ts';
import { answerOf, connectHttp2, request } from '../support/http2-peer.ts';

const READ_ONLY = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [{ registry: [read] }]');

describe('a request over HTTP/2', () => {
  it('is forwarded over HTTP/1.1 and answered', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(OK));
    const session = await connectHttp2(proxy);
    const answer = await request(session, { ':path': '/v1/models?a=b', 'x-mine': 'yes' });
    expect(answer).toMatchObject({ status: 200, body: 'ok', rstCode: 0 });
    expect(upstream.received).toMatch(/^GET \/v1\/models\?a=b HTTP\/1\.1\r\nhost: registry\r\n/);
    expect(upstream.received).toContain('\r\nx-mine: yes\r\n');
    expect(upstream.received).toContain('\r\nvia: 2 sallyport\r\n');
    expect(upstream.received).not.toContain('transfer-encoding');
    expect(proxy.recorder.requests).toMatchObject([{ path: '/v1/models', status: 200, refusal: null }]);
  });

  it('H2-91 is decided by itself: one allowed and one denied on one connection', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), { policy: READ_ONLY });
    const session = await connectHttp2(proxy);
    const [read, write] = await Promise.all([
      request(session, { ':path': '/x' }),
      request(session, { ':path': '/x', ':method': 'POST' }, 'body'),
    ]);
    expect(read.status).toBe(200);
    expect(write).toMatchObject({ status: 403, rstCode: 0 });
    expect(JSON.parse(write.body)).toMatchObject({ status: 403, decisionId: write.headers['x-sallyport-decision-id'] });
    expect((await request(session, { ':path': '/y' })).status).toBe(200);
    expect(proxy.recorder.requests.filter(({ refusal }) => refusal === null)).toHaveLength(2);
    expect(proxy.recorder.requests.filter(({ refusal }) => refusal === 'denied')).toHaveLength(1);
  });

  it('has its body forwarded, with its length or in chunks', async () => {
    const { proxy, upstream } = await openSetting((head, socket) => {
      if (head.includes('POST')) socket.write(OK);
    });
    const session = await connectHttp2(proxy);
    const known = await request(session, { ':method': 'POST', 'content-length': 5 }, 'hello');
    expect(known.status).toBe(200);
    expect(upstream.received).toMatch(/content-length: 5\r\n\r\nhello$/);
    const unknown = await request(session, { ':method': 'POST' }, 'hello');
    expect(unknown.status).toBe(200);
    await upstream.until(({ received }) => received.includes('\r\n0\r\n\r\n'));
    expect(upstream.received).toMatch(/transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
  });

  it('H2-92 of gRPC is cut with PERMISSION_DENIED when policy turns against it', async () => {
    const head =
      'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n';
    const { proxy } = await openSetting((_head, socket) => socket.write(head));
    const session = await connectHttp2(proxy);
    const call = session.request({
      ':method': 'POST',
      ':path': '/S/M',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    call.on('error', () => undefined);
    await new Promise((resolve) => call.once('data', resolve));
    proxy.policy.swap(compilePolicy(READ_ONLY));
    const trailers = await new Promise((resolve) => call.once('trailers', resolve));
    expect(trailers).toMatchObject({ 'grpc-status': '7' });
    await new Promise((resolve) => call.once('close', resolve));
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'policy-changed', status: 200 }]);
  });

  it.each(['application/json', 'application/grpc-web'])(
    'H2-92 is reset when policy turns against its answer of %s, which would look whole',
    async (type) => {
      const head = `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n`;
      const { proxy } = await openSetting((_head, socket) => socket.write(head));
      const session = await connectHttp2(proxy);
      const call = session.request({ ':method': 'POST', ':path': '/S/M', 'content-type': 'application/grpc' });
      const answer = answerOf(call);
      await new Promise((resolve) => call.once('data', resolve));
      proxy.policy.swap(compilePolicy(READ_ONLY));
      expect(await answer).toMatchObject({ body: 'first', rstCode: CODE.cancel, trailers: {} });
    },
  );

  it.each(['GET', 'HEAD', 'PUT', 'DELETE'])(
    'H2-92 with the type of gRPC is no call when its method is %s, and its denial no 200',
    async (method) => {
      const { proxy } = await openSetting((_head, socket) => socket.write(OK));
      const session = await connectHttp2(proxy);
      proxy.policy.swap(compilePolicy(ARTICLE_POLICY.replace('[registry, feature-store]', '[feature-store]')));
      const answer = await request(session, { ':method': method, 'content-type': 'application/grpc' });
      expect(answer).toMatchObject({ status: 403, rstCode: 0 });
      expect(answer.headers['grpc-status']).toBeUndefined();
    },
  );

  it('H2-92 of two types is told in HTTP that it makes no sense', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    const peer = await connectFrames(proxy);
    await peer.greet();
    peer.headers(1, [...POST, ['content-type', 'application/grpc'], ['content-type', 'application/json']]);
    const answer = await peer.until(({ type, streamId }) => type === FRAME.headers && streamId === 1);
    expect(answer?.payload.toString('latin1')).not.toContain('grpc');
    expect(proxy.recorder.requests).toMatchObject([{ status: 400, refusal: 'ambiguous-request' }]);
  });
});

describe('a peer without an identity that speaks HTTP/2', () => {
  it('TL-54 is answered 401 in HTTP/2, unrouted and unforwarded, and told to leave', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(OK));
    const session = await connectHttp2(proxy, null);
    const left = new Promise((resolve) => session.once('goaway', resolve));
    const answer = await request(session, { ':path': '/secret', ':method': 'POST' }, 'body');
    expect(answer).toMatchObject({ status: 401, rstCode: 0 });
    expect(answer.headers['www-authenticate']).toBe('mTLS');
    await left;
    expect(upstream.received).toBe('');
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'no-identity', path: '', method: '', principal: null }]);
    expect(proxy.recorder.terminations).toEqual(['no-identity']);
    await proxy.untilClosed(1);
  });

  it('TL-54 is told UNAUTHENTICATED when it calls gRPC', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    const session = await connectHttp2(proxy, null);
    const answer = await request(session, { ':method': 'POST', 'content-type': 'application/grpc' }, 'body');
    expect(answer.headers).toMatchObject({ ':status': 200, 'grpc-status': '16', 'content-type': 'application/grpc' });
  });
});
