// A part of a policy that cannot be read may deny everything, and may allow everything.

import type { Path } from '../path.ts';
import { doubt, type Doubt } from './answer.ts';
import { EVERYTHING } from './peer-test.ts';
import { ALL_PORTS } from './port-test.ts';
import type { Action, PolicyRule, PolicySection } from './traffic-policy.ts';

const MALFORMED = doubt('malformed', 'the policy cannot be read');

export function unreadableSection(path: Path, reason: Doubt = MALFORMED): PolicySection {
  return { isolates: reason, rules: [doubtfulRule('allow', path, reason)] };
}

/** Of everything, or of less. */
export function doubtfulRule(action: Action, path: Path, reason: Doubt): PolicyRule {
  return { action, doubt: reason, own: null, peer: EVERYTHING, ports: ALL_PORTS, remarks: [], path };
}
