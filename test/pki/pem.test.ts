// PEM files: RFC 7468 as written by tools, cut off by crashes and edited by people.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPem, parsePem, type PemBlock, PemError } from '../../src/pki/pem.ts';

const parse = (text: string | Buffer): readonly PemBlock[] =>
  parsePem(typeof text === 'string' ? Buffer.from(text, 'latin1') : text, 'a.pem');

function refusal(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof PemError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

const A = '-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n';
const KEY = '-----BEGIN EC PRIVATE KEY-----\nAwQ=\n-----END EC PRIVATE KEY-----\n';
const blockA = { label: 'CERTIFICATE', der: Buffer.of(0, 1, 2) };
const blockKey = { label: 'EC PRIVATE KEY', der: Buffer.of(3, 4) };

describe('parsePem accepts', () => {
  const accepted: readonly (readonly [name: string, text: string, blocks: readonly object[]])[] = [
    ['nothing', '', []],
    ['text without blocks', 'Certificate:\n  Data:\n', []],
    ['a block', A, [{ ...blockA, line: 1 }]],
    [
      'several blocks',
      A + KEY,
      [
        { ...blockA, line: 1 },
        { ...blockKey, line: 4 },
      ],
    ],
    [
      'text before, between and after',
      `Issuer: x\n${A}# next\n\n${KEY}end`,
      [
        { ...blockA, line: 2 },
        { ...blockKey, line: 7 },
      ],
    ],
    ['lines that end with CR LF', A.replaceAll('\n', '\r\n'), [{ ...blockA, line: 1 }]],
    ['white space at the ends of lines', A.replaceAll('\n', ' \t\n'), [{ ...blockA, line: 1 }]],
    ['a last line without line feed', A.trimEnd(), [{ ...blockA, line: 1 }]],
    ['lines of any length', A.replace('AAEC', 'A\nAE\nC'), [{ ...blockA, line: 1 }]],
    ['UTF-8 in text around', `\u00c3\u00a9\n${A}`, [{ ...blockA, line: 2 }]],
  ];
  it.each(accepted)('%s', (_name, text, blocks) => {
    expect(parse(text)).toEqual(blocks);
  });
});

describe('parsePem refuses', () => {
  const refused: readonly (readonly [name: string, text: string, refusal: string])[] = [
    ['a file cut inside a block', A.slice(0, 30), 'pem-truncated a.pem:1: '],
    ['a file cut before the end of the second block', A + KEY.slice(0, 34), 'pem-truncated a.pem:4: '],
    ['a file cut inside the last line', A.slice(0, -2), 'pem-boundary a.pem:3: '],
    ['an end without begin', '-----END CERTIFICATE-----\n', 'pem-nesting a.pem:1: '],
    ['a begin inside a block', `-----BEGIN CERTIFICATE-----\n${A}`, 'pem-nesting a.pem:2: '],
    ['an end of another kind', A.replace('END CERTIFICATE', 'END PRIVATE KEY'), 'pem-nesting a.pem:3: '],
    ['a byte order mark', `\u00ef\u00bb\u00bf${A}`, 'pem-boundary a.pem:1: '],
    ['a boundary that is indented', ` ${A}`, 'pem-boundary a.pem:1: '],
    ['a boundary with six dashes', `-${A}`, 'pem-boundary a.pem:1: '],
    ['a boundary in lower case', A.toLowerCase(), 'pem-boundary a.pem:1: '],
    ['a boundary with something behind it', A.replace('-----\n', '-----AAEC\n'), 'pem-boundary a.pem:1: '],
    ['two blocks on one line', A.replaceAll('\n', ''), 'pem-boundary a.pem:1: '],
    ['a boundary without label', '-----BEGIN -----\n', 'pem-boundary a.pem:1: '],
    ['a header', A.replace('AAEC', 'Proc-Type: 4,ENCRYPTED\n\nAAEC'), 'pem-header a.pem:2: '],
    ['an empty line inside', A.replace('AAEC', '\nAAEC'), 'pem-base64 a.pem:2: '],
    ['something that is not base64', A.replace('AAEC', 'AAE*'), 'pem-base64 a.pem:2: '],
    ['base64 for URLs', A.replace('AAEC', 'AA-_'), 'pem-base64 a.pem:2: '],
    ['NUL inside', A.replace('AAEC', 'AA\0C'), 'pem-base64 a.pem:2: '],
    ['space inside', A.replace('AAEC', 'AA EC'), 'pem-base64 a.pem:2: '],
    ['padding in the middle', A.replace('AAEC', 'AA==\nAAEC'), 'pem-base64 a.pem:1: '],
    ['missing padding', A.replace('AAEC', 'AwQ'), 'pem-base64 a.pem:1: '],
    ['spare bits that are set', A.replace('AAEC', 'AwR='), 'pem-base64 a.pem:1: '],
    ['an empty block', A.replace('AAEC\n', ''), 'pem-empty-block a.pem:1: '],
    ['more than 4 MiB', '#'.repeat(4 * 1024 * 1024 + 1), 'pem-too-large a.pem: '],
  ];
  it.each(refused)('%s', (_name, text, expected) => {
    expect(refusal(text).slice(0, expected.length)).toBe(expected);
  });

  it('and shows nothing of what is inside a block', () => {
    for (const bad of ['SECRET!', 'SECRET: x', 'SECRET'])
      expect(refusal(KEY.replace('AwQ=', bad))).not.toContain('SECRET');
  });
});

describe('properties', () => {
  const block = fc.record({
    label: fc.constantFrom('CERTIFICATE', 'PRIVATE KEY', 'X509 CRL'),
    der: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  });

  it('reads back what was written', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 4 }), (blocks) => {
        const text = blocks.map(({ label, der }) => formatPem(label, der)).join('');
        expect(parse(text).map(({ label, der }) => ({ label, der }))).toEqual(blocks);
      }),
    );
  });

  it('never reads part of a file that was cut for a block that was not whole', () => {
    fc.assert(
      fc.property(
        fc.array(block, { minLength: 1, maxLength: 3 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (blocks, share) => {
          const text = blocks.map(({ label, der }) => formatPem(label, der)).join('');
          const cut = text.slice(0, Math.floor(share * text.length));
          let read: readonly PemBlock[] = [];
          try {
            read = parse(cut);
          } catch (error) {
            expect(error).toBeInstanceOf(PemError);
          }
          expect(read.map(({ der }) => der)).toEqual(blocks.slice(0, read.length).map(({ der }) => der));
        },
      ),
    );
  });

  it('meets any bytes with blocks or a PemError', () => {
    const line = fc.constantFrom(
      '-----BEGIN CERTIFICATE-----',
      '-----END CERTIFICATE-----',
      '-----BEGIN X-----',
      '-----END X-----',
      'AAEC',
      'AwQ=',
      'A',
      '',
      ' ',
      '\r',
      '\0',
      'Proc-Type: 4',
    );
    const text = fc.oneof(
      fc.array(line, { maxLength: 12 }).map((lines) => Buffer.from(lines.join('\n'), 'latin1')),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(text, (bytes) => {
        try {
          for (const { der } of parse(bytes)) expect(der.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(PemError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
