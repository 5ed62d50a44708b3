import { describe, expect, it } from 'vitest';
import { attribute, COLLECTOR, type CpuProfile, NATIVE, type ProfileNode } from '../../bench/profile/attribute.ts';

let id = 0;
function node(functionName: string, url: string, children: readonly ProfileNode[] = []): ProfileNode {
  id += 1;
  return { id, callFrame: { functionName, url, lineNumber: 9 }, children: children.map((child) => child.id) };
}

const file = (path: string): string => `file:///somewhere/${path}`;
const cut = node('latin1Slice', '');
const write = node('writeBuffer', '');
const parse = node('parse', file('src/http1/field-section.ts'), [cut]);
const socket = node('Socket._write', 'node:net', [write]);
const decide = node('decide', file('src/policy/decide.ts'));
const encode = node('encodeHead', file('src/http1/encode.ts'));
const streams = node('sendHead', file('src/proxy/http2-stream.ts'));
const nodes = node('onStreamClose', 'node:internal/http2/core');
const collector = node('(garbage collector)', '');
const program = node('(program)', '');
const idle = node('(idle)', '');
const root = node('(root)', '', [parse, socket, decide, encode, streams, nodes, collector, program, idle]);
const NODES = [root, parse, cut, socket, write, decide, encode, streams, nodes, collector, program, idle];

/** Each sample lasts until the next; the last one is not known to last at all. */
function profileOf(samples: readonly (readonly [ProfileNode, number])[]): CpuProfile {
  return {
    nodes: NODES,
    samples: [...samples.map(([each]) => each.id), idle.id],
    timeDeltas: [0, ...samples.map(([, micros]) => micros)],
  };
}

describe('a CPU profile by module', () => {
  it('leaves out idle time and adds up to one', () => {
    const { modules } = attribute(
      profileOf([
        [idle, 900],
        [parse, 60],
        [decide, 40],
      ]),
    );
    expect([...modules]).toEqual([
      ['parsing', 0.6],
      ['decision', 0.4],
    ]);
  });

  it('gives what the engine does for a module to that module', () => {
    expect(attribute(profileOf([[cut, 10]])).modules.get('parsing')).toBe(1);
  });

  it('gives writing to a socket to what lies below, whoever calls it', () => {
    const { modules } = attribute(
      profileOf([
        [write, 30],
        [program, 30],
        [socket, 40],
      ]),
    );
    expect(modules.get(NATIVE)).toBeCloseTo(0.6);
    expect(modules.get("Node's sockets and streams")).toBeCloseTo(0.4);
  });

  it.each([
    ['building a head from parsing one', encode, 'header building'],
    ['our streams of HTTP/2', streams, 'streams of HTTP/2'],
    ["from Node's HTTP/2", nodes, "Node's HTTP/2"],
    ['collecting garbage from everything', collector, COLLECTOR],
  ])('tells %s', (_name, each, module) => {
    expect([...attribute(profileOf([[each, 5]])).modules.keys()]).toEqual([module]);
  });

  it('names functions by their place, the most expensive first', () => {
    expect(
      attribute(
        profileOf([
          [decide, 1],
          [parse, 3],
        ]),
      ).functions,
    ).toEqual([
      { name: 'parse src/http1/field-section.ts:10', share: 0.75 },
      { name: 'decide src/policy/decide.ts:10', share: 0.25 },
    ]);
  });
});
