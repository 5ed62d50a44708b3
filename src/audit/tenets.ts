// The tenets of zero trust by which a report is ordered.
// NIST SP 800-207 §2.1

import type { Tenet } from './finding.ts';

export const TENETS: ReadonlyMap<Tenet, string> = new Map([
  ['T1', 'All data sources and computing services are resources'],
  ['T2', 'All communication is secured, wherever it takes place'],
  ['T3', 'Access to a resource is granted for one session'],
  ['T4', 'Access is decided by a dynamic policy'],
  ['T5', 'The integrity and posture of all assets is watched'],
  ['T6', 'Authentication and authorization are dynamic and enforced before access'],
  ['T7', 'What is learned of assets, networks and communication improves the posture'],
]);
