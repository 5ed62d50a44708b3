// The command line of the bench.

import { parseArgs } from 'node:util';
import { PROTOCOL_PARTS, type ProtocolPart } from './protocols/compare.ts';
import { PROFILED, type Profiled } from './profile/profile.ts';
import { PROXY_PARTS, type ProxyPart } from './proxy/compare.ts';

/** The last two are asked for by name only. */
export const PARTS = [
  'proxy',
  'protocols',
  'decide',
  'codec',
  'hash',
  'extauthz',
  'audit',
  'profile',
  'readme',
] as const;

export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  readonly isQuick: boolean;
  readonly parts: readonly Part[];
  readonly proxyParts: readonly ProxyPart[];
  readonly protocolParts: readonly ProtocolPart[];
  /** Empty is everybody. */
  readonly contenders: readonly string[];
  readonly rounds: number | null;
  readonly processes: number;
  /** What `profile` is of. */
  readonly protocol: Profiled;
  /** `profile` with a path for each request, over HTTP/1.1. */
  readonly isCold: boolean;
  /** Where results are kept; null is where they belong. */
  readonly out: string | null;
  /** Everything, at full length: what the results in the repository are of. */
  readonly isComplete: boolean;
}

const MEASURED_BY_DEFAULT: readonly Part[] = ['proxy', 'protocols', 'decide', 'codec', 'hash', 'extauthz', 'audit'];

/** A quick run is for somebody who waits; this one is asked for by name. */
const TOO_LONG_FOR_QUICK: Part = 'protocols';

const ONLY = [...PROXY_PARTS, ...PROTOCOL_PARTS];

const USAGE = `npm run bench -- [${PARTS.join('|')}…] [--quick] [--only ${ONLY.join(',')}]
    [--contenders nginx,enforce,…] [--rounds N] [--processes N] [--protocol ${PROFILED.join('|')}] [--cold] [--out DIRECTORY]`;

/** @throws {Error} with the usage. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      contenders: { type: 'string' },
      rounds: { type: 'string' },
      processes: { type: 'string', default: '1' },
      protocol: { type: 'string', default: 'http1' },
      cold: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  });
  const only = values.only === undefined ? ONLY : values.only.split(',').map((text) => oneOf(ONLY, text));
  const parts = positionals.map((text) => oneOf(PARTS, text));
  return {
    isQuick: values.quick,
    parts:
      parts.length > 0 ? parts : MEASURED_BY_DEFAULT.filter((part) => !values.quick || part !== TOO_LONG_FOR_QUICK),
    proxyParts: PROXY_PARTS.filter((part) => only.includes(part)),
    protocolParts: PROTOCOL_PARTS.filter((part) => only.includes(part)),
    contenders: values.contenders?.split(',') ?? [],
    rounds: values.rounds === undefined ? null : toCount(values.rounds),
    processes: toCount(values.processes),
    protocol: oneOf(PROFILED, values.protocol),
    isCold: values.cold,
    out: values.out ?? null,
    isComplete: args.length === 0,
  };
}

function oneOf<Name extends string>(names: readonly Name[], text: string): Name {
  const found = names.find((name) => name === text);
  if (found === undefined) throw new Error(`\`${text}\` is none of ${names.join(', ')}\n${USAGE}`);
  return found;
}

function toCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`\`${text}\` is no number of rounds or processes\n${USAGE}`);
  return count;
}
