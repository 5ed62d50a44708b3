// How commands map workloads to the components of an access matrix.

import { InvalidArgumentError, type Command } from 'commander';
import type { AuditOptions } from '../audit/finding.ts';
import { AUDIT_DEFAULTS } from './audit-input.ts';

export interface MappingFlags {
  readonly spiffeIdTemplate?: string;
  readonly componentLabel?: string;
}

export function addMappingOptions(command: Command): Command {
  return command
    .option(
      '--spiffe-id-template <path>',
      `path of a workload's SPIFFE ID, with {namespace}, {serviceAccount}, {name}, {label:KEY} (default: ${AUDIT_DEFAULTS.spiffeIdTemplate})`,
      parseTemplate,
    )
    .option('--component-label <key>', 'pod label that names the component of a workload', parseLabelKey);
}

export function auditOptionsOf({ spiffeIdTemplate, componentLabel }: MappingFlags): AuditOptions {
  return {
    ...AUDIT_DEFAULTS,
    spiffeIdTemplate: spiffeIdTemplate ?? AUDIT_DEFAULTS.spiffeIdTemplate,
    componentLabel: componentLabel ?? AUDIT_DEFAULTS.componentLabel,
  };
}

const PLACEHOLDER = /\{(?:namespace|serviceAccount|name|label:[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?)\}/g;

function parseTemplate(text: string): string {
  const rest = text.replaceAll(PLACEHOLDER, 'x');
  if (/^(?:\/[A-Za-z0-9._-]+)+$/.test(rest)) return text;
  throw new InvalidArgumentError(
    'expected a path such as /ns/{namespace}/sa/{serviceAccount}; known are {namespace}, {serviceAccount}, {name} and {label:KEY}.',
  );
}

function parseLabelKey(text: string): string {
  if (/^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError('expected the key of a label, such as app.kubernetes.io/component.');
}
