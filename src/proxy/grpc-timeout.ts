// The deadline of a gRPC call, as its client asks for it: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

export const GRPC_TIMEOUT = 'grpc-timeout';

const MS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1_000],
  ['m', 1],
  ['u', 1 / 1_000],
  ['n', 1 / 1_000_000],
]);

/** At most eight digits and a unit → milliseconds; null for anything else. */
export function parseGrpcTimeout(text: string): number | null {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  const msPerUnit = MS_PER_UNIT.get(match?.[2] ?? '');
  return msPerUnit === undefined ? null : Number(match?.[1]) * msPerUnit;
}
