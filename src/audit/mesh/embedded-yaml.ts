// YAML that stands as a text in an object, such as a mesh configuration in a ConfigMap.

import { readLenientYaml } from '../../yaml/lenient.ts';
import { Field } from '../fields.ts';

export type EmbeddedYaml =
  | { readonly kind: 'value'; readonly root: Field }
  | { readonly kind: 'broken'; readonly detail: string };

const MAX_LENGTH = 4 * 1024 * 1024;

/** The first document of a text. What is malformed inside of it is not noted: its paths would be paths in the text. */
export function readEmbeddedYaml(text: string): EmbeddedYaml {
  if (text.length > MAX_LENGTH) return { kind: 'broken', detail: `the text has ${text.length} characters` };
  const [document] = readLenientYaml(text);
  if (document === undefined) return { kind: 'value', root: Field.root({}, takeNoNote) };
  if (document.kind === 'broken') return { kind: 'broken', detail: document.problem.message };
  return { kind: 'value', root: Field.root(document.value, takeNoNote) };
}

function takeNoNote(): void {}
