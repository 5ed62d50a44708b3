// Whatever bytes come: an answer that is a denial, or a refusal of the reader; never an allow without a certificate, never a crash.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCheck } from '../../src/extauthz/check-request.ts';
import { Judge } from '../../src/extauthz/judge.ts';
import { CHECK_REQUEST, type CheckRequest } from '../../src/extauthz/messages.ts';
import { readBase64Chain, readEscapedPem } from '../../src/extauthz/told-certificate.ts';
import { MessageError } from '../../src/protobuf/protobuf-message.ts';
import { testAuthority } from '../support/svid-fixtures.ts';
import { checkOf, escapedPem, openSetting } from './setting.ts';

const UNTIMED = { receivedMs: 0, deadlineMs: Number.POSITIVE_INFINITY };
const job = testAuthority().issue('/training/job');

function decode(bytes: Uint8Array): CheckRequest | null {
  try {
    return CHECK_REQUEST.decode(bytes);
  } catch (error) {
    if (error instanceof MessageError) return null;
    throw error;
  }
}

const text = fc.oneof(
  fc.string(),
  fc.constantFrom('GET', '/x', 'registry', ':path', 'host', 'upgrade', '%2e', 'spiffe://ai.example/a'),
);
const entries = fc.array(fc.record({ key: text, value: text }), { maxLength: 4 });
const raw = fc.array(fc.record({ key: text, value: text, rawValue: fc.uint8Array({ maxLength: 8 }) }), {
  maxLength: 4,
});
const http = fc.record({
  method: text,
  headers: entries,
  path: text,
  host: text,
  query: fc.constantFrom('', 'a'),
  fragment: fc.constantFrom('', 'a'),
  headerMap: fc.option(fc.record({ headers: raw })),
});
const check = fc.record({
  attributes: fc.option(
    fc.record({
      source: fc.option(fc.record({ principal: text, certificate: text })),
      request: fc.option(fc.record({ http: fc.option(http) })),
      contextExtensions: entries,
    }),
  ),
});

describe('the reader of checks', () => {
  it('takes any bytes, and none of them for an allow', () => {
    const judge = new Judge(openSetting().context);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const message = decode(bytes);
        if (message !== null) expect(judge.judge(readCheck(message).question, UNTIMED).kind).toBe('refused');
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes a check with any part changed, and never for an allow of another request', () => {
    const setting = openSetting();
    const judge = new Judge(setting.context);
    const sound = CHECK_REQUEST.encode(checkOf({ svid: job, path: '/models/1' }));
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const changed = Buffer.from(sound);
        changed.writeUInt8(changed.readUInt8(at) ^ difference, at);
        const message = decode(changed);
        if (message === null) return;
        const ruling = judge.judge(readCheck(message).question, UNTIMED);
        if (ruling.kind === 'refused') return;
        const told = message.attributes?.request?.http;
        expect(ruling.principal).toBe('spiffe://ai.example/training/job');
        expect(setting.recorder.requests.at(-1)).toMatchObject({ method: told?.method, path: told?.path });
      }),
      { numRuns: 1_000 },
    );
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(check, (message) => {
        const encoded = CHECK_REQUEST.encode(message);
        expect(CHECK_REQUEST.encode(CHECK_REQUEST.decode(encoded))).toEqual(encoded);
      }),
      { numRuns: 500 },
    );
  });

  it('takes any well-formed check without a certificate, and none for an allow', () => {
    const judge = new Judge(openSetting().context);
    fc.assert(
      fc.property(check, (message) => {
        expect(judge.judge(readCheck(message).question, UNTIMED).kind).toBe('refused');
      }),
      { numRuns: 500 },
    );
  });
});

describe('the readers of certificates', () => {
  it('take any text, and no change of a certificate for the same', () => {
    const escaped = escapedPem(job);
    const base64 = job.chainDer[0]?.toString('base64') ?? '';
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), fc.nat(escaped.length), (inserted, at) => {
        readEscapedPem(inserted);
        readBase64Chain(inserted);
        fc.pre(inserted.trim() !== '' && !/^[A-Za-z0-9+/=,%]*$/.test(inserted));
        expect(readEscapedPem(inserted + escaped)).toMatchObject({ kind: 'unreadable' });
        expect(readBase64Chain(base64.slice(0, at) + inserted + base64.slice(at))).toMatchObject({
          kind: 'unreadable',
        });
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['once', job.chainDer[0]?.toString('base64') ?? '', 'told'],
    ['percent-encoded', encodeURIComponent(job.chainDer[0]?.toString('base64') ?? ''), 'told'],
    ['with an empty one behind it', `${job.chainDer[0]?.toString('base64')},`, 'unreadable'],
    ['in the alphabet of URLs', Buffer.from([0xfb, 0xff]).toString('base64url'), 'unreadable'],
    ['as a placeholder that nobody filled in', '{http.request.tls.client.certificate_der_base64}', 'unreadable'],
    ['not at all', '', 'none'],
  ])('read base64 %s', (_name, told, kind) => {
    expect(readBase64Chain(told).kind).toBe(kind);
  });
});
