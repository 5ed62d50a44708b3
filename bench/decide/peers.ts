// Cedar, casbin, accesscontrol and CASL, each in the way its own documentation proposes for roles.

import { createMongoAbility, type MongoAbility } from '@casl/ability';
import {
  type AuthorizationAnswer,
  type EntityJson,
  isAuthorized,
  preparsePolicySet,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs';
import { AccessControl } from 'accesscontrol';
import { newEnforcer, newModelFromString, StringAdapter } from 'casbin';
import type { Engine, LoadedEngine } from './engine.ts';
import { type Matrix, principalOf, type Question, rulesOf } from './matrix.ts';

/** A workload is an entity whose parent is its component; policies name components. */
function cedarPolicies(matrix: Matrix): string {
  return rulesOf(matrix)
    .map(
      ({ from, to }) =>
        `permit(principal in Component::"${from}", action == Action::"read", resource == Component::"${to}");`,
    )
    .join('\n');
}

function cedarCall({ principal, from, to, verb }: Question) {
  const uid = { type: 'Workload', id: principal };
  const entities: EntityJson[] = [{ uid, attrs: {}, parents: [{ type: 'Component', id: from }] }];
  return {
    principal: uid,
    action: { type: 'Action', id: verb },
    resource: { type: 'Component', id: to },
    context: {},
    entities,
  };
}

function isCedarAllow(answer: AuthorizationAnswer): boolean {
  if (answer.type === 'failure') throw new Error(`Cedar: ${answer.errors.map(({ message }) => message).join(', ')}`);
  return answer.response.decision === 'allow';
}

const CEDAR_PREPARSED: Engine = {
  name: 'Cedar (wasm), policies parsed before',
  load: async (matrix, questions) => {
    const id = `${matrix.rows}x${matrix.columns}x${matrix.principals}`;
    const parsed = preparsePolicySet(id, { staticPolicies: cedarPolicies(matrix) });
    if (parsed.type === 'failure') throw new Error(`Cedar: ${parsed.errors.map(({ message }) => message).join(', ')}`);
    const calls = questions.map((question) => ({
      ...cedarCall(question),
      preparsedPolicySetId: id,
      validateRequest: false,
    }));
    return asking(calls, (call) => isCedarAllow(statefulIsAuthorized(call)));
  },
};

const CEDAR_PARSING: Engine = {
  name: 'Cedar (wasm), policies parsed each time',
  load: async (matrix, questions) => {
    const policies = { staticPolicies: cedarPolicies(matrix) };
    const calls = questions.map((question) => ({ ...cedarCall(question), policies, validateRequest: false }));
    return asking(calls, (call) => isCedarAllow(isAuthorized(call)));
  },
};

const CASBIN_MODEL = `[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act`;

const CASBIN: Engine = {
  name: 'casbin',
  load: async (matrix, questions) => {
    const rules = rulesOf(matrix).map(({ from, to }) => `p, ${from}, ${to}, read`);
    const roles = Array.from({ length: matrix.principals }, (_, index) => principalOf(matrix, index)).map(
      ({ principal, from }) => `g, ${principal}, ${from}`,
    );
    const adapter = new StringAdapter([...rules, ...roles].join('\n'));
    const enforcer = await newEnforcer(newModelFromString(CASBIN_MODEL), adapter);
    return asking(questions, ({ principal, to, verb }) => enforcer.enforceSync(principal, to, verb));
  },
};

const ACCESSCONTROL: Engine = {
  name: 'accesscontrol',
  load: async (matrix, questions) => {
    const control = new AccessControl(
      rulesOf(matrix).map(({ from, to }) => ({ role: from, resource: to, action: 'read:any', attributes: ['*'] })),
    );
    const roles = rolesOf(matrix);
    return asking(questions, ({ principal, to, verb }) => {
      const query = control.can(roles.get(principal) ?? '');
      return (verb === 'read' ? query.readAny(to) : query.updateAny(to)).granted;
    });
  },
};

const CASL: Engine = {
  name: 'CASL',
  load: async (matrix, questions) => {
    const columns = Array.from({ length: matrix.columns }, (_, column) => ({ action: 'read', subject: `c${column}` }));
    const abilities = new Map<string, MongoAbility>();
    for (let row = 0; row < matrix.rows; row += 1) abilities.set(`c${row}`, createMongoAbility(columns));
    const roles = rolesOf(matrix);
    return asking(
      questions,
      ({ principal, to, verb }) => abilities.get(roles.get(principal) ?? '')?.can(verb, to) === true,
    );
  },
};

export const PEERS: readonly Engine[] = [CEDAR_PREPARSED, CEDAR_PARSING, CASBIN, ACCESSCONTROL, CASL];

/** For engines that know roles and leave to their user who has which. */
function rolesOf(matrix: Matrix): ReadonlyMap<string, string> {
  return new Map(
    Array.from({ length: matrix.principals }, (_, index): [string, string] => {
      const { principal, from } = principalOf(matrix, index);
      return [principal, from];
    }),
  );
}

function asking<Call>(calls: readonly Call[], decide: (call: Call) => boolean): LoadedEngine {
  return {
    ask: (index) => {
      const call = calls[index % calls.length];
      if (call === undefined) throw new Error('there is nothing to ask');
      return decide(call);
    },
  };
}
