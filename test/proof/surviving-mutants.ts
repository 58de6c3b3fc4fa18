/** Mutants of the rules that no test can notice, for one reason. */
export interface ExplainedMutants {
  readonly why: string;
  /** It makes a loop endless, so that tests cannot end: that they do not is how it is noticed. */
  readonly doesNotEnd?: true;
  /** As `npm run prove -- --only mutation` names them: `FILE: LINE  //  PIECE  becomes  OTHER`. */
  readonly mutants: readonly string[];
}

export const survivingMutants: readonly ExplainedMutants[] = [
  {
    why: 'The matcher remembers names that it has matched; without them, or with more or fewer, it only takes longer or more memory.',
    mutants: [
      'src/tasks/glob-rules.ts: const namesMax = names.size + namesRememberedMax;  //  names.size + namesRememberedMax  becomes  names.size - namesRememberedMax',
      'src/tasks/glob-rules.ts: if (matched && names.size < namesMax) names.add(name);  //  matched && names.size < namesMax  becomes  false',
      'src/tasks/glob-rules.ts: if (matched && names.size < namesMax) names.add(name);  //  names.size < namesMax  becomes  true',
      'src/tasks/glob-rules.ts: if (matched && names.size < namesMax) names.add(name);  //  names.size < namesMax  becomes  names.size <= namesMax',
      'src/tasks/glob-rules.ts: if (matched && names.size < namesMax) names.add(name);  //  names.size < namesMax  becomes  names.size >= namesMax',
    ],
  },
  {
    why: 'An empty piece between two stars is found wherever it is looked for.',
    mutants: [
      "src/tasks/glob-rules.ts: middles: pieces.slice(1, -1).filter((piece) => piece !== ''),  //  pieces.slice(1, -1).filter((piece) => piece !== '')  becomes  pieces.slice(1, -1)",
      "src/tasks/glob-rules.ts: middles: pieces.slice(1, -1).filter((piece) => piece !== ''),  //  piece !== ''  becomes  true",
    ],
  },
  {
    why: 'The same, and a piece that reads "Stryker was here!" would be left out.',
    mutants: [
      "src/tasks/glob-rules.ts: middles: pieces.slice(1, -1).filter((piece) => piece !== ''),  //  ''  becomes  \"Stryker was here!\"",
    ],
  },
  {
    why: 'It stands behind ?? or at the end for the type checker alone: no input comes there.',
    mutants: [
      "src/tasks/create-rules.ts: if (taken) return nameTaken(terms.taskName ?? '');  //  ''  becomes  \"Stryker was here!\"",
      "src/tasks/glob-rules.ts: prefix: pieces[0] ?? '',  //  ''  becomes  \"Stryker was here!\"",
      "src/tasks/glob-rules.ts: suffix: pieces.at(-1) ?? '',  //  ''  becomes  \"Stryker was here!\"",
      'src/tasks/rate-rules.ts: return { ok: false, retryAfterMs: undefined };  //  { ok: false, retryAfterMs: undefined }  becomes  {}',
      'src/tasks/rate-rules.ts: return { ok: false, retryAfterMs: undefined };  //  false  becomes  true',
    ],
  },
  {
    why: 'Where there was no record yet: what the mutant puts into the list is filtered out, it is no session and no grant.',
    mutants: [
      'src/tasks/create-rules.ts: const live = (agent?.live ?? []).filter((one) => one.expiresAtMs > now.earliestMs);  //  []  becomes  ["Stryker was here"]',
      'src/tasks/rate-rules.ts: const grants = (state?.grants ?? []).filter(([atMs]) => now.earliestMs - atMs < perMs);  //  []  becomes  ["Stryker was here"]',
    ],
  },
  {
    why: 'Where the records of a name are gone: it is compared with active and closed only.',
    mutants: [
      "src/tasks/create-rules.ts: const status = use ? statusAt(use, now.latestMs) : 'expired';  //  'expired'  becomes  \"\"",
    ],
  },
  {
    why: 'One unit past the end of a text is no character and no problem.',
    mutants: [
      'src/core/text-rules.ts: for (let index = 0; index < text.length; index++) {  //  index < text.length  becomes  index <= text.length',
    ],
  },
  {
    why: 'A loop that never comes to the end of its text.',
    doesNotEnd: true,
    mutants: [
      'src/core/text-rules.ts: for (let index = 0; index < text.length; index++) {  //  index++  becomes  index--',
      'src/core/text-rules.ts: for (let index = 0; index < text.length; index++) {  //  index++  becomes  index--',
      'src/core/text-rules.ts: for (let index = 0; index < text.length; index++) {  //  index < text.length  becomes  index >= text.length',
    ],
  },
  {
    why: 'A further field that is known by default: the mutant would accept one of the name "Stryker was here".',
    mutants: [
      'src/tasks/task-input-rules.ts: export function checkTerms(input: TaskTermsInput, alsoKnown: readonly string[] = []): CheckedTerms | Refused {  //  []  becomes  ["Stryker was here"]',
    ],
  },
  {
    why: 'Whether an option is there is asked before it is checked: the check finds nothing wrong with one that is not.',
    mutants: [
      "src/tasks/task-input-rules.ts: if (options.credentials !== undefined) names('credentials', options.credentials);  //  options.credentials !== undefined  becomes  true",
      'src/tasks/task-input-rules.ts: return amount === undefined  //  amount === undefined  becomes  false',
      'src/tasks/use-rules.ts: if (sensitivity !== undefined && isAbove(sensitivity, terms.dataSensitivityCeiling)) {  //  sensitivity !== undefined  becomes  true',
    ],
  },
  {
    why: 'The longer way comes to the same: an empty chain of parents, an empty list of warnings.',
    mutants: [
      'src/tasks/use-rules.ts: const isChild = terms.delegationChain.length > 0;  //  terms.delegationChain.length > 0  becomes  true',
      'src/tasks/use-rules.ts: const isChild = terms.delegationChain.length > 0;  //  terms.delegationChain.length > 0  becomes  terms.delegationChain.length >= 0',
      'src/tasks/use-rules.ts: const warnings = budgetLow || timeLow ? warningsOf(budgetLow, timeLow, calls, ms) : noWarnings;  //  budgetLow || timeLow  becomes  true',
    ],
  },
  {
    why: 'Plain names take a shorter way to the same answer.',
    mutants: [
      'src/mcp/frame-name-rules.ts: if (isPlainName(key)) return lookalikeProblem(key, key.toLowerCase());  //  isPlainName(key)  becomes  false',
      'src/mcp/frame-name-rules.ts: function isPlainName(key: string): boolean {  //  {  becomes  {}',
      'src/mcp/frame-name-rules.ts: return /^[A-Za-z0-9]*$/.test(key);  //  /^[A-Za-z0-9]*$/  becomes  /^[A-Za-z0-9]$/',
    ],
  },
  {
    why: 'No character becomes a mark by its case once marks are gone (all of them were tried): there is nothing left to replace.',
    mutants: [
      "src/mcp/frame-name-rules.ts: .replace(/\\p{M}/gu, '');  //  ''  becomes  \"Stryker was here!\"",
    ],
  },
];
