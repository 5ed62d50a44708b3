// One reading of the document by its schema that keeps what is sound when something is not.

import type { z } from 'zod';
import type { EndpointAddress } from '../workload-api/endpoint-address.ts';
import { documentSchema, type ConfigDocument } from './config-schema.ts';
import type { Upstream } from './config-upstreams.ts';
import type { RedisServer } from './config-urls.ts';
import type { TcpAddress, UnixAddress } from './config-values.ts';

type Path = readonly PropertyKey[];

export interface ParsedDocument {
  /** Null when there are issues. */
  readonly document: ConfigDocument | null;
  /** What rules between keys can look at although other keys are wrong, so that all problems are told in one run. */
  readonly sound: Sound<ConfigDocument>;
  readonly issues: readonly z.core.$ZodIssue[];
}

/** A document of which some values, at any depth, were refused or are missing. */
export type Sound<T> = T extends string | number | boolean | null | undefined | Whole
  ? T
  : T extends ReadonlyMap<infer Key, infer Entry>
    ? ReadonlyMap<Key, Sound<Entry> | undefined>
    : T extends readonly (infer Element)[]
      ? readonly (Sound<Element> | undefined)[]
      : { readonly [Key in keyof T]?: Sound<T[Key]> | undefined };

/** What is made of one value of the file. */
type Whole = TcpAddress | UnixAddress | Upstream | EndpointAddress | RedisServer;

export function parseDocument(plain: unknown): ParsedDocument {
  let sound: Sound<ConfigDocument> = {};
  const keepSound = documentSchema.superRefine(
    (value, { issues }) => {
      const faults = issues.filter(({ code }) => code !== 'unrecognized_keys').map(({ path }) => path ?? []);
      // Taking faulty values out of a document leaves a document with values taken out.
      sound = withoutFaults(value, faults) as Sound<ConfigDocument>;
    },
    { when: ({ value }) => typeof value === 'object' && value !== null && !Array.isArray(value) },
  );
  const { data, error } = keepSound.safeParse(plain);
  return { document: data ?? null, sound, issues: error?.issues ?? [] };
}

/**
 * `value` without what the issues are about: a value that was refused is undefined, its key stays. A map of which a key was refused is
 * left out whole, since nobody knows what was meant by it.
 */
function withoutFaults(value: unknown, faults: readonly Path[]): unknown {
  if (faults.length === 0) return value;
  if (faults.some((path) => path.length === 0)) return undefined;
  const below = (step: PropertyKey): readonly Path[] =>
    faults.filter(([first]) => first === step).map((path) => path.slice(1));
  if (Array.isArray(value)) return value.map((element, at) => withoutFaults(element, below(at)));
  if (value instanceof Map) {
    const entries = Array.from(value, ([name, entry]: [unknown, unknown]) =>
      typeof name === 'string' ? ([name, withoutFaults(entry, below(name))] as const) : null,
    );
    return entries.includes(null) ? undefined : new Map(entries.filter((entry) => entry !== null));
  }
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withoutFaults(entry, below(key))]));
}
