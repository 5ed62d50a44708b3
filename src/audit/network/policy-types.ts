// Which directions a policy says it is about, in the list that Kubernetes and Calico write alike.

import type { Field } from '../fields.ts';
import { type Answer, doubt, or } from './answer.ts';
import { isNoList } from './known-keys.ts';
import type { Direction } from './traffic-policy.ts';

export type PolicyTypes = Readonly<Record<Direction, Answer>>;

const MALFORMED = doubt('malformed', 'the policy types cannot be read');

/** Null when nothing is listed: then it follows from the rules, for each kind of policy in its own way. */
export function readPolicyTypes(field: Field): PolicyTypes | null {
  const types = field.asList();
  if (isNoList(field)) return { ingress: MALFORMED, egress: MALFORMED };
  if (types.length === 0) return null;
  const answers: Record<Direction, Answer> = { ingress: false, egress: false };
  for (const type of types) {
    const text = type.requireText();
    if (text === 'Ingress') answers.ingress = true;
    else if (text === 'Egress') answers.egress = true;
    else {
      if (text !== null) type.noteWrong('Ingress or Egress');
      answers.ingress = or(answers.ingress, MALFORMED);
      answers.egress = or(answers.egress, MALFORMED);
    }
  }
  return answers;
}
