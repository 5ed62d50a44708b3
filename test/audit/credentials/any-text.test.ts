import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectCredentials } from '../../../src/audit/credentials/detect.ts';
import { LETTERS, token } from './labelled/made-up-tokens.ts';

/** What patterns begin with, end with or go on with; those with a space in them stand apart. */
const WORDS =
  String.raw`a A 0 é " ' = : / @ . - _ { } [ < > \ % $ & ; # | </ -- a= a=" a=' "a":" {a: <a> <a>b</ \"a\":\" 'a': a1B2 a-b_c.d
  eyJ eyJa. hf_ sk- sk-a AKIA xoxb-1 Q~ aaa1Q~ ccountKey= SharedAccessKey= ;sig= SG.a hvs. a.atlasv1. ya29. dp.pt. :// a:// a://b: a://b:c
  ?token= &key=a jdbc: jdbc:oracle:thin:a/ a:b@ user=a; password= password: LS0tLS1CRUdJTi "auth":" ENC[ %zz PRIVATE token secret name value`
    .split(/\s+/)
    .filter((word) => word !== '');
const PHRASES =
  '${¦ ¦\n¦\t¦\0¦\u{1f512}¦a\r\n¦ a:\n¦a: |\n¦name: a\n¦value: b\n¦{a: b, ¦"a": ¦- a: "¦export A=¦Bearer ¦Basic a¦machine a ¦machine a login b ¦login ¦password ¦password = "¦host= password=¦-----BEGIN PRIVATE KEY-----¦-----BEGIN ¦PRIVATE KEY-----¦-----END¦Proc-Type: 4,\n';
const SCRAPS = [...WORDS, ...PHRASES.split('¦')];

describe('detectCredentials of anything', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc
      .array(
        fc.oneof(
          fc.constantFrom(...SCRAPS),
          fc.string({ maxLength: 12 }),
          fc.integer({ min: 1, max: 99 }).map((seed) => token('hf_', { alphabet: LETTERS, length: 34, seed })),
        ),
        { maxLength: 60 },
      )
      .map((parts) => parts.join('')),
  );

  it('never throws, and says where in the text each stands, in order and apart', () => {
    fc.assert(
      fc.property(text, text, fc.constantFrom('value' as const, 'text' as const), (name, value, form) => {
        let end = 0;
        for (const { start, length, line } of detectCredentials(name, value, { form })) {
          expect(start).toBeGreaterThanOrEqual(end);
          expect(length).toBeGreaterThan(0);
          end = start + length;
          expect(end).toBeLessThanOrEqual(value.length);
          expect(line).toBe(value.slice(0, start).split('\n').length);
        }
      }),
      { numRuns: 1000 },
    );
  });

  // Quadratic work over so many characters is minutes: such a test does not end.
  it.each(SCRAPS.map((scrap) => [scrap]))('reads a long row of %j in time linear in it', (scrap) => {
    const row = scrap.repeat(Math.ceil(300_000 / scrap.length));
    const found = [row, `"${row}`, `password: ${row}`, `a://b:${row}`].map((value) =>
      detectCredentials('password', value, { form: 'text' }),
    );
    expect(found).toHaveLength(4);
    expect(detectCredentials('API_KEY', row.slice(0, 60_000), { form: 'value' }).length).toBeLessThan(60_000);
  });
});
