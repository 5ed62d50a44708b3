// What to try by hand while the demo is up: commands to paste, and where to look.

import type { DemoFiles } from './demo-files.ts';
import { type IdentityName, WORKLOADS } from './identities.ts';
import type { ListenerName } from './listeners.ts';
import { MODEL_PATH } from './scenarios.ts';
import { REGISTERED_MODELS } from './services/model-registry.ts';
import type { Paint } from './table.ts';

export interface Whereabouts {
  /** How this program is called from the directory that the demo runs in. */
  readonly program: string;
  /** As commands name them. */
  readonly paths: DemoFiles;
  readonly origins: Readonly<Record<ListenerName, string>>;
  /** `http://host:port`. */
  readonly admin: string;
}

export function formatInvitation({ program, paths, origins, admin }: Whereabouts, paint: Paint): string {
  const trusting = `--cacert ${paths.bundle}`;
  const as = (name: IdentityName): string =>
    `${trusting} --cert ${paths.certificateOf(name)} --key ${paths.privateKeyOf(name)}`;
  const { registry } = origins;
  const revoked = `--file ${paths.revocations} --id ${WORKLOADS.training.id}`;
  const lines = [
    paint('bold', 'try it (each line can be pasted as it is)'),
    paint('dim', '# training lists the models: allowed, and the registry says who it was told is calling'),
    `curl ${as('training')} ${registry}${REGISTERED_MODELS}`,
    paint('dim', '# inference overwrites a model: denied'),
    `curl ${as('inference')} -X PUT -d poisoned ${registry}${MODEL_PATH}`,
    paint('dim', '# nobody in particular: refused'),
    `curl ${trusting} ${registry}${REGISTERED_MODELS}`,
    paint('dim', '# who the sidecar is, until when, and whom it trusts'),
    `curl ${admin}/identity`,
    paint(
      'dim',
      '# revoke one of the peers that read a stream: its stream is cut in under a second, and nobody else’s',
    ),
    `${program} revoke add ${revoked} --reason stolen`,
    paint('dim', '# and let it in again'),
    `${program} revoke remove ${revoked}`,
    '',
    paint('bold', 'look inside'),
    `metrics  ${admin}/metrics`,
    `policy   ${admin}/policy`,
    `health   ${admin}/readyz`,
  ];
  return `${lines.join('\n')}\n`;
}
