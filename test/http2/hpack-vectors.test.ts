import { describe, expect, it } from 'vitest';
import { withNeverIndexed } from '../../src/http2/endpoint-ports.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';

const LIMITS = { maxTableBytes: 4096, maxFieldSectionBytes: 4096, maxFieldCount: 32 };

const REQUESTS = [
  fields(':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'),
  fields(':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'),
  fields(
    ':method: GET',
    ':scheme: https',
    ':path: /index.html',
    ':authority: www.example.com',
    'custom-key: custom-value',
  ),
];
const DATE = 'date: Mon, 21 Oct 2013 20:13:21 GMT';
const LOCATION = 'location: https://www.example.com';
const RESPONSES = [
  fields(':status: 302', 'cache-control: private', DATE, LOCATION),
  fields(':status: 307', 'cache-control: private', DATE, LOCATION),
  fields(
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    LOCATION,
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ),
];

function fields(...lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split(': '));
}

function octets(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
}

describe('the examples of RFC 7541 Appendix C', () => {
  it.each<readonly [section: string, hex: string, fields: readonly string[]]>([
    ['C.2.1', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key', 'custom-header']],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path']],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret']],
    ['C.2.4', '82', [':method', 'GET']],
  ])('%s is read', (section, hex, fields) => {
    const expected = section === 'C.2.3' ? withNeverIndexed([...fields], ['password']) : fields;
    expect(new HpackDecoder(LIMITS).decode(octets(hex))).toEqual(expected);
  });

  // C.1: the integers 10, 1337 and 42 in prefixes of 5, 5 and 8 bits; the last of these no field has.
  it.each<readonly [hex: string, maxTableBytes: number]>([
    ['2a', 10],
    ['3f9a 0a', 1337],
  ])('C.1 %s is the size of a table of %i octets', (hex, maxTableBytes) => {
    expect(new HpackDecoder({ ...LIMITS, maxTableBytes }).decode(octets(hex))).toEqual([]);
    const lower = new HpackDecoder({ ...LIMITS, maxTableBytes: maxTableBytes - 1 });
    expect(() => lower.decode(octets(hex))).toThrow('the size of the table');
  });

  it.each<readonly [section: string, maxTableBytes: number, expected: readonly string[][], blocks: readonly string[]]>([
    [
      'C.3, requests without Huffman codes',
      4096,
      REQUESTS,
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    ],
    [
      'C.4, requests with Huffman codes',
      4096,
      REQUESTS,
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ],
    [
      'C.5, responses without Huffman codes under a table of 256 octets',
      256,
      RESPONSES,
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        '4803 3330 37c1 c0bf',
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
         7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
         6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
      ],
    ],
    [
      'C.6, responses with Huffman codes under a table of 256 octets',
      256,
      RESPONSES,
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
         1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
        '4883 640e ffc1 c0bf',
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
         e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ],
    ],
  ])('%s are read', (_section, maxTableBytes, expected, blocks) => {
    const decoder = new HpackDecoder({ ...LIMITS, maxTableBytes });
    expect(blocks.map((hex) => decoder.decode(octets(hex)))).toEqual(expected);
  });
});
