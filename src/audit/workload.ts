// A pod template: what one object makes pods from, however many.

import type { Field } from './fields.ts';
import type { KubeObject } from './kube-object.ts';
import type { Path } from './path.ts';

export interface ContainerPort {
  readonly name: string | null;
  readonly number: number;
  /** TCP, UDP or SCTP. */
  readonly protocol: string;
  /** Zero for none. */
  readonly hostPort: number;
  readonly field: Field;
}

export interface Container {
  readonly name: string;
  /** `sidecar`: an init container with `restartPolicy: Always`. */
  readonly kind: 'init' | 'sidecar' | 'main' | 'ephemeral';
  /** Null where none is given. */
  readonly image: string | null;
  readonly ports: readonly ContainerPort[];
  readonly field: Field;
  /** In `source` of its workload. */
  readonly path: Path;
  /** Why what is absent here is not known to be absent in the pod; null for a container that is given in full. */
  readonly isPartial: string | null;
}

export interface Workload {
  /** `namespace/name[Kind]`, or `namespace/name[Kind/role]` where one object has several templates. */
  readonly ref: string;
  readonly object: KubeObject;
  /** Where the template stands: `object`, or the runtime that it names. */
  readonly source: KubeObject;
  /** Empty for a blueprint of the whole cluster. */
  readonly namespace: string;
  /** Of the owner, where pods of an absent owner stand for it: then not those of `object`. */
  readonly apiVersion: string;
  readonly name: string;
  readonly kind: string;
  readonly role: string | null;
  /** Of its pods. */
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  readonly podSpec: Field;
  /** Of the pod spec, in `source`. */
  readonly podPath: Path;
  readonly serviceAccount: string;
  /** Null when not given or not in its nature; 0 counts as there. */
  readonly replicas: number | null;
  readonly isHostNetwork: boolean;
  /** Of all kinds, in the order in which they start. */
  readonly containers: readonly Container[];
  /** Why what is absent from the template is not known to be absent from its pods; null for a template that is given in full. */
  readonly isPartial: string | null;
  /** Pods that were folded into it, and a bare pod itself; they show what admission added. */
  readonly pods: readonly KubeObject[];
}

/** Pods that will exist and whose template is not among the objects. */
export interface UnseenTemplate {
  readonly object: KubeObject;
  readonly ref: string;
  readonly at: Path;
  readonly detail: string;
}
