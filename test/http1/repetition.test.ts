// Heads that repeat what came before: whatever a connection has said already, each of its heads means what it would mean alone.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestDecoder } from '../../src/http1/request-decoder.ts';
import { decodeRequests, decodeResponses, latin1, LIMITS } from './decode.ts';

const HOST = 'Host: a.example\r\n';
const START_LINES = ['GET / HTTP/1.1', 'GET /b?c HTTP/1.1', 'POST / HTTP/1.0', 'GET / HTTP/1.0', 'DELETE /b HTTP/1.1'];
const BLOCKS = [
  HOST,
  `${HOST}X: 1\r\n`,
  `${HOST}X: 2\r\n`,
  `${HOST}Connection: close\r\n`,
  `${HOST}Connection: X\r\nX: 1\r\n`,
  `${HOST}Content-Length: 0\r\n`,
  `${HOST}Upgrade: websocket\r\nConnection: upgrade\r\n`,
  `${HOST}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n`,
  `${HOST}Expect: something\r\n`,
  'X: 1\r\n',
  `${HOST}X : 1\r\n`,
  `Host: b.example:80\r\nX: ${'a'.repeat(3000)}\r\n`,
];

const block = fc.constantFrom(...BLOCKS);
const request = fc.tuple(fc.constantFrom(...START_LINES), block).map(([line, lines]) => `${line}\r\n${lines}\r\n`);
const response = fc
  .tuple(fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 204 No Content', 'HTTP/1.0 200 Oh'), block)
  .map(([line, lines]) => `${line}\r\n${lines}\r\n`);

describe('heads on one connection', () => {
  it('H1-77 mean what each of them means alone, up to the first that is refused or ends the connection', () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 8 }), (heads) => {
        const together = decodeRequests(heads.map(latin1));
        const alone = heads.map((head) => decodeRequests([latin1(head)]));
        const last = alone.findIndex(
          ({ messages, refusal }) => refusal !== null || messages[0]?.head.persistent === false,
        );
        const counted = last === -1 ? alone : alone.slice(0, last + 1);
        expect(together.messages).toEqual(counted.flatMap(({ messages }) => messages));
        expect(together.refusal).toEqual(counted.at(-1)?.refusal ?? null);
      }),
      { numRuns: 1000 },
    );
  });

  it('give the same answer as the upstream repeats itself', () => {
    fc.assert(
      fc.property(response, response, (first, second) => {
        const options = { ending: 'stays-open' } as const;
        const interim = first.replace(/^HTTP\/1\.\d \d+/, 'HTTP/1.1 103');
        const alone = decodeResponses([latin1(second)], options);
        const after = decodeResponses([latin1(interim + second)], options);
        if (decodeResponses([latin1(interim)], options).refusal !== null) return;
        expect(after.messages.slice(1)).toEqual(alone.messages);
        expect(after.refusal).toEqual(alone.refusal);
      }),
      { numRuns: 1000 },
    );
  });

  it('are encoded anew when a value changes without changing its length', () => {
    const decoder = new RequestDecoder(LIMITS, (name) => name !== 'secret');
    const linesOf = (fields: string): string => {
      decoder.push(latin1(`GET / HTTP/1.1\r\n${HOST}${fields}\r\n`));
      expect([decoder.next(), decoder.next()]).toEqual(['head', 'end']);
      return decoder.lines;
    };
    expect(linesOf('X: 1\r\nSecret: a\r\n')).toBe('x: 1\r\n');
    expect(linesOf('X: 1\r\nSecret: a\r\n')).toBe('x: 1\r\n');
    expect(linesOf('X: 2\r\nSecret: a\r\n')).toBe('x: 2\r\n');
    expect(linesOf('Secret: a\r\nX: 2\r\n')).toBe('x: 2\r\n');
    expect(linesOf('Y: 2\r\nX: 1\r\n')).toBe('y: 2\r\nx: 1\r\n');
  });
});
