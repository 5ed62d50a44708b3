import { describe, expect, it } from 'vitest';
import { OK } from '../support/proxy-fixture.ts';
import { openSetting } from '../support/proxy-setting.ts';

/** The heads that come back, interim ones included, when the upstream answers so; the connection must serve another request. */
async function headsFor(answer: string, method = 'GET'): Promise<string[]> {
  let next = answer;
  const { peer } = await openSetting((_head, socket) => {
    socket.write(next, 'latin1');
    next = OK;
  });
  peer.request(method, '/x');
  const heads = answer.split('\r\n\r\n').length - 1;
  const received = await peer.until((text) => text.split('\r\n\r\n').length > heads);
  peer.received = '';
  peer.request('GET', '/y');
  expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
  return received.split('\r\n\r\n').slice(0, heads);
}

const ok = (...fields: string[]): string => ['HTTP/1.1 200 OK', 'content-length: 0', ...fields, '', ''].join('\r\n');

describe('the head of a response', () => {
  it('passes on what is meant for the peer, as often and in the order it came', async () => {
    const fields = ['set-cookie: a=b', 'ETag: "x"', 'set-cookie: c=d', 'x-any: \u00e9', 'server: upstream'];
    expect(await headsFor(ok(...fields))).toEqual([
      'HTTP/1.1 200 OK\r\nset-cookie: a=b\r\netag: "x"\r\nset-cookie: c=d\r\nx-any: \u00e9\r\nserver: upstream\r\ncontent-length: 0',
    ]);
  });

  it.each([
    ['what concerns the connection', ok('keep-alive: timeout=5', 'connection: keep-alive, x-mine', 'x-mine: 1')],
    ['what proxies say to each other', ok('proxy-authenticate: basic', 'proxy-connection: keep-alive')],
    ['what announces trailers and protocols', ok('trailer: x-checksum', 'upgrade: h2c', 'te: trailers')],
    ['an alternative that would lead past the proxy', ok('alt-svc: h3=":443"')],
    ['what only the proxy may say', ok('x-sallyport-decision-id: 0', 'x-sallyport-component: admin')],
  ])('keeps to itself %s', async (_name, answer) => {
    expect(await headsFor(answer)).toEqual(['HTTP/1.1 200 OK\r\ncontent-length: 0']);
  });

  it('keeps it out of an interim response as well', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nalt-svc: h3=":443"\r\nkeep-alive: timeout=5\r\n\r\n';
    expect(await headsFor(hints + ok())).toEqual([
      'HTTP/1.1 103 Early Hints\r\nlink: </a>',
      'HTTP/1.1 200 OK\r\ncontent-length: 0',
    ]);
  });

  it('gives a 204 no length, and a HEAD the one that was announced', async () => {
    expect(await headsFor('HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n')).toEqual(['HTTP/1.1 204 No Content']);
    expect(await headsFor('HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n', 'HEAD')).toEqual([
      'HTTP/1.1 200 OK\r\ncontent-length: 7',
    ]);
    expect(await headsFor('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', 'HEAD')).toEqual([
      'HTTP/1.1 200 OK',
    ]);
  });

  it('says of each response what is its own, however much of the one before it repeats', async () => {
    const usual = { method: 'GET', answer: ok('x-a: 1') };
    const endless = { method: 'HEAD', answer: ok('x-a: 1').replace('content-length: 0\r\n', '') };
    const chunked = {
      method: 'GET',
      answer: `${ok('x-a: 1').replace('content-length: 0', 'transfer-encoding: chunked')}0\r\n\r\n`,
    };
    const others = [
      { method: 'GET', answer: ok('x-a: 2') },
      { method: 'GET', answer: ok('x-a: 1').replace('200', '201') },
      { method: 'GET', answer: ok('x-a: 1').replace('OK', 'Fine') },
      { method: 'HEAD', answer: ok('x-a: 1') },
      { method: 'HEAD', answer: ok('x-a: 1').replace('content-length: 0', 'content-length: 7') },
      { method: 'GET', answer: ok('x-a: 1').replace('200', '204') },
    ];
    let next = '';
    const { peer } = await openSetting((_head, socket) => socket.write(next, 'latin1'));
    const heads: string[] = [];
    for (const { method, answer } of [...others.flatMap((other) => [usual, usual, other]), endless, chunked, endless]) {
      next = answer;
      peer.received = '';
      peer.request(method, '/x');
      const whole = await peer.until((text) =>
        text.endsWith(text.includes('chunked') ? '\r\n\r\n0\r\n\r\n' : '\r\n\r\n'),
      );
      heads.push(whole.replace(/\r\n\r\n(?:0\r\n\r\n)?$/, ''));
    }
    const first = 'HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 0';
    const told = [
      'HTTP/1.1 200 OK\r\nx-a: 2\r\ncontent-length: 0',
      'HTTP/1.1 201 OK\r\nx-a: 1\r\ncontent-length: 0',
      'HTTP/1.1 200 Fine\r\nx-a: 1\r\ncontent-length: 0',
      first,
      'HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 7',
      'HTTP/1.1 204 OK\r\nx-a: 1',
    ];
    const [bare, inChunks] = ['HTTP/1.1 200 OK\r\nx-a: 1', 'HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked'];
    expect(heads).toEqual([...told.flatMap((other) => [first, first, other]), bare, inChunks, bare]);
    next = ok('x-a: 1');
    for (const [fields, last] of [
      ['', ''],
      ['connection: close\r\n', '\r\nconnection: close'],
    ] as const) {
      peer.received = '';
      peer.request('GET', '/x', fields);
      expect(await peer.until((text) => text.endsWith('\r\n\r\n'))).toBe(`${first}${last}\r\n\r\n`);
    }
  });

  it('speaks HTTP/1.1 for an upstream that speaks HTTP/1.0, and uses its connection once', async () => {
    const { upstream, peer } = await openSetting((_head, socket) =>
      socket.write('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'),
    );
    for (let i = 0; i < 2; i += 1) {
      peer.request('GET', '/x');
      expect(await peer.response()).toEqual({
        status: 200,
        head: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n',
        body: 'ok',
      });
    }
    expect(upstream.sockets).toHaveLength(2);
  });

  it('does not close the connection of the peer because the upstream closes its own', async () => {
    const { upstream, peer } = await openSetting((_head, socket) =>
      socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'),
    );
    for (let i = 0; i < 3; i += 1) {
      peer.request('GET', '/x');
      expect((await peer.response()).head).not.toContain('close');
    }
    expect(upstream.sockets).toHaveLength(3);
  });
});

describe('a peer that speaks HTTP/1.0', () => {
  it('is answered once, whatever it asks for, and sent no interim response', async () => {
    const { peer } = await openSetting((_head, socket) => socket.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}`));
    const request = 'GET /x HTTP/1.0\r\nhost: registry\r\nconnection: keep-alive\r\n\r\n';
    peer.send(request + request);
    expect(await peer.closed()).toBe('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
  });
});
