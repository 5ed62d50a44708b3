// What to try by hand while the demo is up: commands to paste, and where to look.

import type { DemoFiles } from './demo-files.ts';
import type { IdentityName } from './identities.ts';
import type { ListenerName } from './listeners.ts';
import { MODEL_PATH } from './scenarios.ts';
import { REGISTERED_MODELS } from './services/model-registry.ts';
import type { Paint } from './table.ts';

export interface Addresses {
  readonly origins: Readonly<Record<ListenerName, string>>;
  /** `http://host:port`. */
  readonly admin: string;
}

/** `paths`: as commands name them. */
export function formatInvitation(paths: DemoFiles, { origins, admin }: Addresses, paint: Paint): string {
  const trusting = `--cacert ${paths.bundle}`;
  const as = (name: IdentityName): string =>
    `${trusting} --cert ${paths.certificateOf(name)} --key ${paths.privateKeyOf(name)}`;
  const { registry } = origins;
  const lines = [
    paint('bold', 'try it (each line can be pasted as it is)'),
    paint('dim', '# training lists the models: allowed, and the registry says who it was told is calling'),
    `curl ${as('training')} ${registry}${REGISTERED_MODELS}`,
    paint('dim', '# inference overwrites a model: denied'),
    `curl ${as('inference')} -X PUT -d poisoned ${registry}${MODEL_PATH}`,
    paint('dim', '# nobody in particular: refused'),
    `curl ${trusting} ${registry}${REGISTERED_MODELS}`,
    '',
    paint('bold', 'look inside'),
    `metrics  ${admin}/metrics`,
    `policy   ${admin}/policy`,
    `health   ${admin}/readyz`,
  ];
  return `${lines.join('\n')}\n`;
}
