// One rule of a Role or ClusterRole, and what it permits.

export interface PolicyRule {
  readonly verbs: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  readonly resources: ReadonlySet<string>;
  /** Null for all names. */
  readonly names: ReadonlySet<string> | null;
}

export interface Ask {
  readonly verb: string;
  readonly group: string;
  /** `pods`, `pods/exec`. */
  readonly resource: string;
}

/** Whatever the name of the object. */
export function permits({ verbs, groups, resources }: PolicyRule, { verb, group, resource }: Ask): boolean {
  const slash = resource.indexOf('/');
  return (
    (verbs.has(verb) || verbs.has('*')) &&
    (groups.has(group) || groups.has('*')) &&
    (resources.has(resource) || resources.has('*') || (slash >= 0 && resources.has(`*${resource.slice(slash)}`)))
  );
}
