// What the policies of a cluster ask pods about. Pods that differ in nothing else are one class.

export interface Vocabulary {
  readonly podLabels: Set<string>;
  readonly portNames: Set<string>;
  /** Whether any policy asks for service accounts or their labels. */
  readonly serviceAccounts: { isAsked: boolean };
}

export function createVocabulary(): Vocabulary {
  return { podLabels: new Set(), portNames: new Set(), serviceAccounts: { isAsked: false } };
}
