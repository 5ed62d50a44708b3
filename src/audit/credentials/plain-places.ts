// Where values stand in the plain text of objects, and which of them are credentials.

import type { Field } from '../fields.ts';
import type { Path } from '../path.ts';
import type { Container } from '../workload.ts';
import { detectInCommand } from './command-line.ts';
import { detectCredentials } from './detect.ts';
import type { Detection } from './detection.ts';

export interface PlainCredential {
  readonly at: Path;
  /** "variable `HF_TOKEN`", "argument 3 of the command". */
  readonly place: string;
  readonly detection: Detection;
  /** The credential itself: for comparing, never for telling. */
  readonly secret: string;
}

/** One for all rules; for `cluster.once`. */
export function createFinder(): CredentialFinder {
  return new CredentialFinder();
}

/** Remembers what it looked at: equal variables stand in many templates. */
export class CredentialFinder {
  readonly #known = new Map<string, readonly Detection[]>();

  inVariables({ field }: Container): readonly PlainCredential[] {
    return field
      .get('env')
      .asList()
      .flatMap((variable) => {
        const name = variable.get('name').asText() ?? '';
        return this.#inField(variable.get('value'), { name, form: 'value', place: `variable \`${shorten(name)}\`` });
      });
  }

  /** Command, arguments, and what probes and hooks run or send. */
  inCommands({ field }: Container): readonly PlainCredential[] {
    const whole = [...field.get('command').asList(), ...field.get('args').asList()];
    const hooks = HOOKS.flatMap((steps) => [
      ...this.#inWords(field.get(...steps, 'exec', 'command').asList(), `a command of ${steps.at(-1)}`),
      ...field
        .get(...steps, 'httpGet', 'httpHeaders')
        .asList()
        .flatMap((header) =>
          this.#inField(header.get('value'), {
            name: header.get('name').asText() ?? '',
            form: 'value',
            place: `a header of ${steps.at(-1)}`,
          }),
        ),
    ]);
    return [...this.#inWords(whole, 'the command line'), ...hooks];
  }

  /** Of a ConfigMap or of annotations: each value under its key. */
  inEntries(map: Field): readonly PlainCredential[] {
    return [...map.asMap()].flatMap(([name, field]) => {
      const text = field.asText() ?? '';
      const form = text.trim().includes('\n') ? 'text' : 'value';
      return this.#inField(field, { name, form, place: `key \`${shorten(name)}\`` });
    });
  }

  /** Of `value`, which stands at `at` in some encoding. */
  inDecoded(name: string, value: string, at: Path): readonly PlainCredential[] {
    const form = value.trim().includes('\n') ? 'text' : 'value';
    const place = `key \`${shorten(name)}\``;
    return this.#detect(name, value, form).map((detection) => toPlain(detection, { at, place, value }));
  }

  #inWords(fields: readonly Field[], place: string): readonly PlainCredential[] {
    const words = fields.map((field) => field.asText() ?? '');
    return detectInCommand(words).flatMap(({ index, detection }) => {
      const field = fields[index];
      return field === undefined ? [] : [toPlain(detection, { at: field.path, place, value: words[index] ?? '' })];
    });
  }

  #inField(
    field: Field,
    as: { readonly name: string; readonly form: 'value' | 'text'; readonly place: string },
  ): readonly PlainCredential[] {
    const value = field.asText();
    if (value === null) return [];
    return this.#detect(as.name, value, as.form).map((detection) =>
      toPlain(detection, { at: field.path, place: as.place, value }),
    );
  }

  #detect(name: string, value: string, form: 'value' | 'text'): readonly Detection[] {
    if (value.length > MAX_REMEMBERED) return detectCredentials(name, value, { form });
    const key = `${form}\0${name}\0${value}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const detections = detectCredentials(name, value, { form });
    this.#known.set(key, detections);
    return detections;
  }
}

const MAX_REMEMBERED = 1024;
const HOOKS = [
  ['livenessProbe'],
  ['readinessProbe'],
  ['startupProbe'],
  ['lifecycle', 'postStart'],
  ['lifecycle', 'preStop'],
] as const;
const MAX_SHOWN = 100;

function toPlain(
  detection: Detection,
  { at, place, value }: { readonly at: Path; readonly place: string; readonly value: string },
): PlainCredential {
  const { start, length } = detection;
  const secret = value.slice(start, start + length);
  return { at, place: place.includes(secret) ? 'a value under its own name' : place, detection, secret };
}

function shorten(name: string): string {
  return name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name;
}
