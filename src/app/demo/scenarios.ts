// The article's access matrix as requests: who asks what of whom, and what has to come of it.

import { createHash } from 'node:crypto';
import type { IdentityName, WorkloadName } from './identities.ts';
import { CALLED_HOST, EGRESS_IDENTITY, GRPC_LISTENER, type ListenerName, TOKEN_LISTENER } from './listeners.ts';
import { INFER } from './services/inference-endpoint.ts';
import {
  frameMessage,
  MODEL_INFER,
  MODEL_INFER_REQUEST,
  MODEL_INFER_RESPONSE,
  toFloats,
} from './services/model-infer.ts';
import { FEATURES } from './services/feature-store.ts';
import { ARTIFACTS, REGISTERED_MODELS } from './services/model-registry.ts';

/** `refuse`: answered by the sidecar before the matrix is asked. */
type Effect = 'allow' | 'deny' | 'refuse';

interface Expected {
  readonly effect: Effect;
  /** Of HTTP; of a call of gRPC, its own. */
  readonly status: number;
  /** Of the decision; of a peer without identity, why it has none. */
  readonly reason: string;
  /** Of the response body, in hex, where it matters. */
  readonly sha256?: string;
}

export interface Scenario {
  /** As the table names the peer. */
  readonly who: string;
  /** Null is a peer without a certificate. */
  readonly as: IdentityName | null;
  /** Whose JWT-SVID it brings; null is none. */
  readonly token: WorkloadName | null;
  readonly to: ListenerName;
  /** `egress`: in plaintext to its own sidecar, which asks in its place. */
  readonly through: 'mtls' | 'egress';
  readonly method: string;
  /** Sent as it stands, with its query. */
  readonly path: string;
  /** As the table shows method and path. */
  readonly shown: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly expected: Expected;
}

export interface ScenarioGroup {
  readonly title: string;
  readonly scenarios: readonly Scenario[];
}

const MODEL_BYTES = 1024 * 1024;
export const MODEL = Buffer.alloc(MODEL_BYTES, 'sallyport demo model, version 1\n');
export const MODEL_PATH = `${ARTIFACTS}/models/fraud/1/model.onnx`;
const FORGED_ID = 'spiffe://ai.example/monitoring-admin/root';
const FEATURES_PATH = `${FEATURES}/user-42`;

/** Computed by hand: 0.8 × 1.5 + 1.7 × 2.25 − 0.4 × 0.5 − 2 through the logistic function. */
const MODEL_INFER_ANSWER = frameMessage(
  MODEL_INFER_RESPONSE.encode({ modelName: 'fraud', rawOutputContents: [toFloats([0.944])] }),
);

const ALLOW: Expected = { effect: 'allow', status: 200, reason: 'allowed-by-rule' };
const DENY: Expected = { effect: 'deny', status: 403, reason: 'denied-by-rule' };
const NOT_GRANTED: Expected = { ...DENY, reason: 'not-granted' };

const READ_MODEL = { to: 'registry', method: 'GET', path: MODEL_PATH, shown: 'GET …/model.onnx' } as const;
const WRITE_MODEL = { ...READ_MODEL, method: 'PUT', shown: 'PUT …/model.onnx' } as const;
const ASK_INFERENCE = {
  to: 'inference',
  method: 'POST',
  path: INFER,
  shown: 'POST …/infer',
  fields: { 'content-type': 'application/json' },
  body: Buffer.from('{"rows":[[1.5,2.25,0.5]]}'),
} as const;
const CALLED = { host: CALLED_HOST };
const CALL_INFERENCE = {
  to: GRPC_LISTENER,
  method: 'POST',
  path: MODEL_INFER,
  shown: 'gRPC ModelInfer',
  body: frameMessage(
    MODEL_INFER_REQUEST.encode({ modelName: 'fraud', rawInputContents: [toFloats([1.5, 2.25, 0.5])] }),
  ),
} as const;
const READ_FEATURES = {
  to: TOKEN_LISTENER,
  method: 'GET',
  path: FEATURES_PATH,
  shown: 'GET …/user-42',
} as const;

export const SCENARIOS: readonly ScenarioGroup[] = [
  {
    title: 'what the access matrix says',
    scenarios: [
      { ...by('training'), ...WRITE_MODEL, body: MODEL, expected: ALLOW },
      { ...by('training'), ...READ_MODEL, expected: { ...ALLOW, sha256: sha256Of(MODEL) } },
      { ...by('inference'), ...READ_MODEL, expected: { ...ALLOW, sha256: sha256Of(MODEL) } },
      { ...by('inference'), ...WRITE_MODEL, body: Buffer.from('poisoned'), expected: NOT_GRANTED },
      { ...by('training'), ...ASK_INFERENCE, expected: DENY },
      { ...by('training'), ...READ_FEATURES, expected: ALLOW },
      { ...by('inference'), ...READ_FEATURES, expected: ALLOW },
      {
        ...by('pipeline'),
        to: 'registry',
        method: 'GET',
        path: REGISTERED_MODELS,
        shown: 'GET …/search',
        expected: ALLOW,
      },
      { ...by('pipeline'), ...ASK_INFERENCE, expected: DENY },
      { ...by('registry'), ...ASK_INFERENCE, expected: DENY },
      { ...by('feature-store'), ...READ_MODEL, expected: NOT_GRANTED },
      { ...by('notebook'), ...READ_MODEL, expected: { ...DENY, reason: 'unknown-principal' } },
    ],
  },
  {
    title: 'what is asked by gRPC: the status of a call, 0 or why not',
    scenarios: [
      { ...by('gateway'), ...CALL_INFERENCE, expected: { ...ALLOW, status: 0, sha256: sha256Of(MODEL_INFER_ANSWER) } },
      { ...by('training'), ...CALL_INFERENCE, expected: { ...DENY, status: 7 } },
    ],
  },
  {
    title: 'what a program without TLS asks through a sidecar of its own, and that one of ours over mTLS',
    scenarios: [
      { ...ask(EGRESS_IDENTITY), ...READ_MODEL, fields: CALLED, expected: { ...ALLOW, sha256: sha256Of(MODEL) } },
      { ...ask(EGRESS_IDENTITY), ...WRITE_MODEL, fields: CALLED, body: Buffer.from('poisoned'), expected: NOT_GRANTED },
    ],
  },
  {
    title: 'what an allowed peer may try',
    scenarios: [
      {
        ...by('training'),
        ...READ_MODEL,
        shown: 'GET, x-spiffe-id',
        fields: { 'x-spiffe-id': FORGED_ID, 'x-forwarded-client-cert': `URI=${FORGED_ID}` },
        expected: ALLOW,
      },
      {
        ...by('inference'),
        to: 'registry',
        method: 'GET',
        path: '/api/2.0/mlflow-artifacts/../mlflow/users/get',
        shown: 'GET …/../users',
        expected: { effect: 'refuse', status: 400, reason: 'ambiguous-request' },
      },
      {
        ...by('training'),
        to: 'registry',
        method: 'GET',
        path: '/api/2.0/mlflow/unheard-of',
        shown: 'GET …/unheard-of',
        expected: { ...DENY, reason: 'unknown-route' },
      },
      {
        ...by('training'),
        to: 'registry',
        method: 'GET',
        path: '/api/2.0/mlflow/users/get',
        shown: 'GET …/users/get',
        expected: NOT_GRANTED,
      },
    ],
  },
  {
    title: 'who is not who they should be',
    scenarios: [
      stranger('other domain', { as: 'foreign', reason: 'unknown-trust-domain' }),
      stranger('forged', { as: 'forged', reason: 'unknown-authority' }),
      stranger('expired', { as: 'expired', reason: 'expired' }),
      stranger('no SPIFFE ID', { as: 'nameless', reason: 'no-spiffe-id' }),
      stranger('no certificate', { as: null, reason: 'no-certificate' }),
    ],
  },
  {
    title: 'who brings a token (JWT-SVID) of training: without a certificate, and with one of their own',
    scenarios: [
      { who: 'bearer', as: null, token: 'training', through: 'mtls', ...READ_FEATURES, expected: ALLOW },
      {
        ...by('inference'),
        token: 'training',
        ...READ_FEATURES,
        expected: { effect: 'refuse', status: 401, reason: 'foreign-token' },
      },
    ],
  },
];

/** What holds while training is revoked, whose certificate is as good as before. */
export const REVOKED_SCENARIOS: ScenarioGroup = {
  title: 'while training is revoked',
  scenarios: [
    { ...by('training'), ...READ_MODEL, expected: { effect: 'refuse', status: 401, reason: 'revoked' } },
    { ...by('inference'), ...READ_MODEL, expected: ALLOW },
  ],
};

function by(name: IdentityName): Pick<Scenario, 'who' | 'as' | 'token' | 'through'> {
  return { who: name, as: name, token: null, through: 'mtls' };
}

/** A program of `name`, which has no certificate: its sidecar has. */
function ask(name: IdentityName): Pick<Scenario, 'who' | 'as' | 'token' | 'through'> {
  return { ...by(name), through: 'egress' };
}

function stranger(
  who: string,
  { as, reason }: { readonly as: IdentityName | null; readonly reason: string },
): Scenario {
  return { who, as, token: null, through: 'mtls', ...READ_MODEL, expected: { effect: 'refuse', status: 401, reason } };
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
