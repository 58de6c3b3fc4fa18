/** Mutants of the rules that no test can notice, for one reason. */
export interface ExplainedMutants {
  readonly why: string;
  /** It makes a loop endless, so that tests cannot end: that they do not is how it is noticed. */
  readonly doesNotEnd?: true;
  /** As `npm run prove -- --only mutation` names them: `FILE: LINE  //  PIECE  becomes  OTHER`. */
  readonly mutants: readonly string[];
}

export const survivingMutants: readonly ExplainedMutants[] = [];
