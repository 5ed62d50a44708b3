// The matrix that all engines are given: components on both sides, each row allowed to read every column and to write none.

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly principals: number;
}

export interface Question {
  /** The SPIFFE ID, of a component in the rows. */
  readonly principal: string;
  readonly from: string;
  readonly to: string;
  readonly verb: 'read' | 'write';
}

export const RULE_COUNTS = [10, 1_000, 10_000] as const;
export const PRINCIPAL_COUNTS = [1, 1_000] as const;

const SIDES: Readonly<Record<(typeof RULE_COUNTS)[number], { readonly rows: number; readonly columns: number }>> = {
  10: { rows: 1, columns: 10 },
  1_000: { rows: 25, columns: 40 },
  10_000: { rows: 100, columns: 100 },
};
const QUESTIONS = 1_000;

export function matrixOf(rules: (typeof RULE_COUNTS)[number], principals: number): Matrix {
  return { ...SIDES[rules], principals };
}

export function rulesOf({ rows, columns }: Matrix): readonly { readonly from: string; readonly to: string }[] {
  return Array.from({ length: rows * columns }, (_, index) => ({
    from: `c${Math.floor(index / columns)}`,
    to: `c${index % columns}`,
  }));
}

/** Principal `index` is a workload of a component in the rows. */
export function principalOf({ rows }: Matrix, index: number): { readonly principal: string; readonly from: string } {
  const from = `c${index % rows}`;
  return { principal: `spiffe://ai.example/${from}/job-${index}`, from };
}

/** Every other one is a write, which nobody may; the same question never twice in a row. */
export function questionsOf(matrix: Matrix): readonly Question[] {
  return Array.from({ length: QUESTIONS }, (_, index) => ({
    ...principalOf(matrix, index % matrix.principals),
    to: `c${(index * 7) % matrix.columns}`,
    verb: index % 2 === 0 ? 'read' : 'write',
  }));
}

export function isAllowed(question: Question): boolean {
  return question.verb === 'read';
}
