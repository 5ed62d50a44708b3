// Whether this proxy should be sent requests, and what is missing when it should not.

export interface ReadinessCheck {
  /** `own-svid`, `policy`, `trust-bundle`, … */
  readonly name: string;
  readonly run: () => CheckResult;
}

interface CheckResult {
  readonly ok: boolean;
  /** For people: what is missing, or what is there. */
  readonly detail: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly (CheckResult & { readonly name: string })[];
}

/** A check that throws is one that failed; `onError` hears of it. */
export function assessReadiness(checks: readonly ReadinessCheck[], onError: (error: unknown) => void): Readiness {
  const results = checks.map(({ name, run }) => {
    try {
      const { ok, detail } = run();
      return { name, ok, detail };
    } catch (error) {
      onError(error);
      return { name, ok: false, detail: 'the check itself failed' };
    }
  });
  return { ready: results.every(({ ok }) => ok), checks: results };
}
