// What holds for any bytes: how they are cut into pushes changes nothing, and only a typed refusal is ever thrown.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRequests, decodeResponses, latin1, split, splitIntoOctets } from './decode.ts';
import { cuts, dubiousRequests, dubiousResponses } from './generators.ts';
import { REFUSED_REQUESTS } from './refused-requests.ts';
import { REFUSED_RESPONSES } from './refused-responses.ts';

const RUNS = { numRuns: 1000 };
/** Small enough that limits are met too. */
const TIGHT = { maxHeadBytes: 96, maxFieldCount: 3 };

const requests = fc.oneof(
  { weight: 6, arbitrary: dubiousRequests },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...REFUSED_REQUESTS.map((row) => row[1]).filter((text) => text.length < 2000)),
  },
);
const responses = fc.oneof(
  { weight: 6, arbitrary: dubiousResponses },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...REFUSED_RESPONSES.map((row) => row[1]).filter((text) => text.length < 2000)),
  },
);
const anyOctets = fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets));

describe('any bytes, cut anywhere', () => {
  it('give the same requests and the same refusal', () => {
    fc.assert(
      fc.property(requests, cuts, (text, at) => {
        const bytes = latin1(text);
        const whole = decodeRequests([bytes]);
        expect(decodeRequests(split(bytes, at))).toEqual(whole);
        expect(decodeRequests(splitIntoOctets(bytes))).toEqual(whole);
      }),
      RUNS,
    );
  });

  it('give the same requests and the same refusal under tight limits', () => {
    fc.assert(
      fc.property(requests, cuts, (text, at) => {
        const bytes = latin1(text);
        const whole = decodeRequests([bytes], TIGHT);
        expect(decodeRequests(split(bytes, at), TIGHT)).toEqual(whole);
        expect(decodeRequests(splitIntoOctets(bytes), TIGHT)).toEqual(whole);
      }),
      RUNS,
    );
  });

  it('give the same responses and the same refusal', () => {
    fc.assert(
      fc.property(
        responses,
        cuts,
        fc.constantFrom('GET', 'HEAD'),
        fc.constantFrom('ends', 'stays-open'),
        (text, at, method, ending) => {
          const bytes = latin1(text);
          const whole = decodeResponses([bytes], { method, ending });
          expect(decodeResponses(split(bytes, at), { method, ending })).toEqual(whole);
          expect(decodeResponses(splitIntoOctets(bytes), { method, ending })).toEqual(whole);
          const tight = decodeResponses([bytes], { method, ending, limits: TIGHT });
          expect(decodeResponses(splitIntoOctets(bytes), { method, ending, limits: TIGHT })).toEqual(tight);
        },
      ),
      RUNS,
    );
  });

  it('never throw anything but a typed refusal', () => {
    fc.assert(
      fc.property(anyOctets, (bytes) => {
        // The driver rethrows what is not an Http1Error.
        decodeRequests([bytes]);
        decodeRequests([
          Buffer.concat([latin1('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'), bytes]),
        ]);
        decodeRequests([Buffer.concat([latin1('GET / HTTP/1.1\r\nHost: a\r\n'), bytes, latin1('\r\n\r\n')])]);
        decodeResponses([bytes]);
        decodeResponses([Buffer.concat([latin1('HTTP/1.1 200 OK\r\n'), bytes, latin1('\r\n\r\n')])]);
      }),
      RUNS,
    );
  });
});
