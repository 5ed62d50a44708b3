import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readFast } from '../../src/yaml/lenient-block.ts';
import { readLenientYaml, unifyLineBreaks } from '../../src/yaml/lenient.ts';
import { buildKubernetesYaml } from './kubernetes-yaml.ts';
import { type Choose, writeYaml } from './yaml-writer.ts';

const kubernetes = buildKubernetesYaml();

const SCALARS =
  'a|b c|1|0x1F|010|0o17|08|yes|No|y|~||"q"|"a\\n\\u00e9"|\'it\'\'s\'|a #c|a#c|http://x:80|-1|--p=1|::1|[a, b]|{a: b, c: [1, 2]}|[]|{}|&a x|*a|!!str 5|!foo x|1e3|.5|1_000|2020-01-01|- x|? x|"a":b|[a,b]|[a:b]|{"a":1}|{a}|{a:}|[a\n , b]|[a, # c\n b]|@x|x\t|1.|+1|-0|0b11|é|a\\b|"\\x41"|"\\q"|a, b|a]b|<<|=|>|"multi\n   line"|"esc\\\n   aped"|plain\n    more|\'m\n\n   x\'|>\n    fol\n    ded\n\n     more\n    x\n'.split(
    '|',
  );
const BLOCKS = ['|\n    lit\n     eral\n\n    x\n', '|-\n    a\n', '|2\n     x\n', '|+\n    a\n\n'];
const KEYS = [
  'a',
  'b',
  'c',
  'a b',
  '"q"',
  "'s'",
  '1',
  'yes',
  'x/y.z',
  'a:b',
  '-x',
  '?x',
  '<<',
  '__proto__',
  '[a]',
  '&k k',
  '1.20',
];

/** Near YAML, and near its edges. */
function scribble(choose: Choose, depth: number, column: number): string {
  const pad = ' '.repeat(column);
  const rows = choose([1, 2, 3]);
  let text = '';
  for (let row = 0; row < rows; row += 1) {
    const start = choose([`${pad}${choose(KEYS)}:`, `${pad}${choose(KEYS)}:`, `${pad}-`]);
    const scalar = choose(choose([SCALARS, SCALARS, BLOCKS])).replaceAll('\n    ', `\n${' '.repeat(column + 2)}`);
    const leaf = `${choose([' ', ' ', '  ', ''])}${scalar}${scalar.endsWith('\n') ? '' : choose(['\n', '\n', ' # c\n', '\r\n'])}`;
    const isLeaf = depth === 0 || choose([true, false, true]);
    text += `${start}${isLeaf ? leaf : `\n${scribble(choose, depth - 1, column + choose([2, 2, 1, 0]))}`}`;
    text += choose(['', '', '', '\n', `${' '.repeat(choose([0, 2, 4]))}# c\n`]);
  }
  return text;
}

describe.skipIf(kubernetes === null)('the lenient reader beside that of Kubernetes', () => {
  afterAll(() => kubernetes?.remove());

  it('means the same by everything that both of them take', () => {
    const texts: string[] = [];
    const collect = fc.property(fc.gen(), fc.nat(), (gen, at) => {
      const choose: Choose = (from) => from[gen(fc.nat, { max: from.length - 1 })] ?? raise();
      const text = choose([true, true, false]) ? scribble(choose, 3, 0) : writeYaml(choose).text;
      const cut = at % text.length;
      const mark = choose(['', '', '', ' ', '\n', ':', '#', '"', '- ', '[', '}', ',', '\\']);
      texts.push(unifyLineBreaks(mark === '' ? text : `${text.slice(0, cut)}${mark}${text.slice(cut)}`));
    });
    fc.assert(collect, { numRuns: 3000, seed: 1 });
    const whole = texts.filter((text) => text.endsWith('\n') && !/^(?:---|\.\.\.)(?:\s|$)/m.test(text));
    const theirs = kubernetes?.read(whole) ?? [];
    let agreed = 0;
    for (const [index, text] of whole.entries()) {
      const fast = readFast(text, { start: 0, end: text.length }, 'values');
      const [document] = readLenientYaml(text);
      // Everything that the fast reader takes is YAML to Kubernetes as well.
      if (fast !== undefined) expect([text, fast.value]).toEqual([text, theirs[index]]);
      else if (document?.kind !== 'value' || theirs[index] === undefined || isKnownToDiffer(text)) continue;
      else expect([text, document.value]).toEqual([text, theirs[index]]);
      agreed += 1;
    }
    expect(agreed).toBeGreaterThan(500);
  });
});

/** A colon before punctuation in flow, where the slow reader is used, belongs to a plain scalar in libyaml only. */
function isKnownToDiffer(text: string): boolean {
  return /:\s*[,[\]{}]/.test(text) || /!!str/.test(text);
}

function raise(): never {
  throw new Error('there is nothing to choose from');
}
