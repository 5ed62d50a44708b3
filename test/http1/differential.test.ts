// Whatever the codec accepts, Node's llhttp in strict mode accepts with the same meaning; where llhttp refuses, so does the codec.

import { METHODS } from 'node:http';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRequests, decodeResponses, latin1 } from './decode.ts';
import { dubiousRequests, dubiousResponses } from './generators.ts';
import { endToEndFields, parseResponse, StrictServer } from './llhttp.ts';
import { REFUSED_REQUESTS } from './refused-requests.ts';
import { REFUSED_RESPONSES } from './refused-responses.ts';

const RUNS = { numRuns: 1000 };

/** How many of the runs of a property met each outcome: a comparison that never accepts or never refuses proves nothing. */
interface Tally {
  complete: number;
  refused: number;
  refusedByBoth: number;
}

function isUnknownMethod(errorCode: string | null): boolean {
  return errorCode === 'HPE_INVALID_METHOD' || errorCode === 'HPE_INVALID_CONSTANT';
}

describe('requests', () => {
  const server = new StrictServer();

  async function compare(text: string, tally: Tally): Promise<void> {
    const ours = decodeRequests([latin1(text)]);
    const theirs = await server.parse(latin1(text));
    for (const [index, { head, body, isComplete }] of ours.messages.entries()) {
      // llhttp knows a list of methods, some of them of other protocols only; a method frames nothing, so the codec leaves it to
      // the policy.
      if (isUnknownMethod(theirs.errorCode) && !METHODS.includes(head.method) && index === theirs.messages.length)
        return;
      const their = theirs.messages[index];
      const target = head.query === null ? head.path : `${head.path}?${head.query}`;
      expect(their).toMatchObject({ start: head.method, detail: target });
      expect(endToEndFields(their?.rawHeaders ?? [])).toEqual(head.fields);
      if (!isComplete) continue;
      expect(their).toMatchObject({ body, isComplete: true });
      tally.complete += 1;
    }
    if (ours.refusal !== null) tally.refused += 1;
    if (ours.refusal !== null && theirs.errorCode !== null) tally.refusedByBoth += 1;
  }

  it('that the codec accepts mean the same to llhttp', async () => {
    const tally: Tally = { complete: 0, refused: 0, refusedByBoth: 0 };
    await fc.assert(
      fc.asyncProperty(dubiousRequests, (text) => compare(text, tally)),
      RUNS,
    );
    expect(tally.complete).toBeGreaterThan(RUNS.numRuns / 10);
    expect(tally.refused).toBeGreaterThan(RUNS.numRuns / 10);
    expect(tally.refusedByBoth).toBeGreaterThan(RUNS.numRuns / 20);
  });

  it.each(REFUSED_REQUESTS.map(([name, text]) => ({ name, text })))('$name', async ({ text }) => {
    await compare(text, { complete: 0, refused: 0, refusedByBoth: 0 });
  });

  it('reach llhttp: it sees what a plain pipeline holds', async () => {
    const post = 'POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-A:  b \r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    const tally: Tally = { complete: 0, refused: 0, refusedByBoth: 0 };
    await compare(`${post}PUT /c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nde${post}`, tally);
    expect(tally).toEqual({ complete: 3, refused: 0, refusedByBoth: 0 });
    const { messages, errorCode } = await server.parse(latin1('GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n'));
    expect({ messages, errorCode }).toEqual({ messages: [], errorCode: expect.stringMatching(/^HPE_/) });
  });
});

describe('responses', () => {
  async function compare(text: string, method: string, tally: Tally): Promise<void> {
    const ours = decodeResponses([latin1(text)], { method });
    const theirs = await parseResponse(latin1(text), method);
    for (const [index, { head, body, isComplete }] of ours.messages.entries()) {
      const their = theirs.messages[index];
      expect(their).toMatchObject({ start: String(head.status), detail: head.reason });
      expect(endToEndFields(their?.rawHeaders ?? [])).toEqual(head.fields);
      // What follows a 101 is no longer HTTP, and node:http leaves it to the caller.
      if (!isComplete || head.status === 101) continue;
      expect(their).toMatchObject({ body, isComplete: true });
      tally.complete += 1;
    }
    if (ours.refusal !== null) tally.refused += 1;
    if (ours.refusal !== null && theirs.errorCode !== null) tally.refusedByBoth += 1;
  }

  it('that the codec accepts mean the same to llhttp', async () => {
    const tally: Tally = { complete: 0, refused: 0, refusedByBoth: 0 };
    const method = fc.constantFrom('GET', 'POST', 'HEAD');
    await fc.assert(
      fc.asyncProperty(dubiousResponses, method, (text, sent) => compare(text, sent, tally)),
      RUNS,
    );
    expect(tally.complete).toBeGreaterThan(RUNS.numRuns / 10);
    expect(tally.refused).toBeGreaterThan(RUNS.numRuns / 10);
    expect(tally.refusedByBoth).toBeGreaterThan(RUNS.numRuns / 20);
  });

  it.each(REFUSED_RESPONSES.map(([name, text]) => ({ name, text })))('$name', async ({ text }) => {
    await compare(text, 'GET', { complete: 0, refused: 0, refusedByBoth: 0 });
  });

  it('reach llhttp: it sees what plain responses hold', async () => {
    const tally: Tally = { complete: 0, refused: 0, refusedByBoth: 0 };
    await compare('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', 'GET', tally);
    await compare('HTTP/1.1 200 OK\r\n\r\nhi', 'GET', tally);
    await compare('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n', 'GET', tally);
    await compare('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', 'HEAD', tally);
    await compare('HTTP/1.1 204 No Content\r\n\r\n', 'GET', tally);
    expect(tally).toEqual({ complete: 5, refused: 0, refusedByBoth: 0 });
    const { messages, errorCode } = await parseResponse(latin1('HTTP/1.1 200 OK\nX: y\r\n\r\n'), 'GET');
    expect({ messages, errorCode }).toEqual({ messages: [], errorCode: expect.stringMatching(/^HPE_/) });
  });
});
