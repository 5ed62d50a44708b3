// An engine that decides: Sallyport's or a peer's.

import type { Matrix, Question } from './matrix.ts';

export interface Engine {
  readonly name: string;
  /** Loads the matrix, and answers with something that turns questions into what is asked again and again. */
  load(matrix: Matrix, questions: readonly Question[]): Promise<LoadedEngine>;
}

export interface LoadedEngine {
  /** True when question `index` is allowed. */
  ask(index: number): boolean;
}
