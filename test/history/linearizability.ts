/** One operation of a concurrent run, as its caller saw it: asked, and answered. */
export interface Operation<Input, Output> {
  readonly input: Input;
  /** Not there where nobody knows what came of it: it may have happened at any time since it was asked, or never. */
  readonly output?: Output;
  /** Of one clock that all callers share. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** What a thing does when one operation after the other is put to it. */
export interface SequentialModel<State, Input, Output> {
  readonly initial: State;
  /** The state after an operation, or nothing where it cannot have been answered so in this state. */
  after(state: State, input: Input, output: Output | undefined): State | undefined;
  /** The same for states that are the same. */
  nameOf(state: State): string;
  /** The same for inputs that do the same. */
  nameOfInput(input: Input): string;
}

export type LinearizabilityVerdict<Input, Output> =
  | { readonly ok: true; readonly steps: number }
  | {
      readonly ok: false;
      readonly steps: number;
      /** How many operations could be put in an order, at most. */
      readonly placed: number;
      /** One of these would have to come next, and none can. */
      readonly stuckAt: readonly Operation<Input, Output>[];
    };

/** Orders tried before the checker gives up: past it a history tells nothing, and is not to be called right. */
const stepsMax = 5_000_000;

/**
 * Whether the operations can be put in an order that each of them was answered as the model answers, and in which
 * nothing comes before what had ended when it began (Herlihy and Wing, 1990).
 *
 * The search is Wing and Gong's (1993): take any operation that nothing must precede, go on with the rest, come back
 * where that leads nowhere; with Lowe's memory (2017) of what was tried: the same operations taken and the same state
 * lead to the same end. Two observations keep it small. An answered operation that leaves the state as it is may be
 * taken at once, since it can stand in the way of nothing. And of those whose outcome nobody knows and which do the
 * same, the one asked first may go first.
 */
export function checkLinearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): LinearizabilityVerdict<Input, Output> {
  const byStart = history.toSorted((a, b) => a.startedAt - b.startedAt);
  const search = new Search(
    byStart.filter(({ output }) => output !== undefined),
    byStart.filter(({ output }) => output === undefined),
    model,
  );
  return search.run();
}

/** A choice that was made, and those that are left. */
interface Frame<State> {
  readonly state: State;
  /** What was taken to come here, to be put back: indexes of `known`, and of `unknown` below zero. */
  readonly taken: number[];
  readonly choices: readonly { readonly taken: number; readonly state: State }[];
  next: number;
}

class Search<State, Input, Output> {
  readonly #known: readonly Operation<Input, Output>[];
  readonly #unknown: readonly Operation<Input, Output>[];
  readonly #model: SequentialModel<State, Input, Output>;
  readonly #isTaken: Uint8Array;
  readonly #isUsed: Uint8Array;
  readonly #tried = new Set<string>();
  /** All before it are taken. */
  #lowest = 0;
  #steps = 0;
  #count = 0;
  #best: { placed: number; stuckAt: readonly Operation<Input, Output>[] } = { placed: -1, stuckAt: [] };

  constructor(
    known: readonly Operation<Input, Output>[],
    unknown: readonly Operation<Input, Output>[],
    model: SequentialModel<State, Input, Output>,
  ) {
    this.#known = known;
    this.#unknown = unknown;
    this.#model = model;
    this.#isTaken = new Uint8Array(known.length);
    this.#isUsed = new Uint8Array(unknown.length);
  }

  run(): LinearizabilityVerdict<Input, Output> {
    const frames: Frame<State>[] = [this.#enter(this.#model.initial, [])];
    for (;;) {
      if (this.#count === this.#known.length) return { ok: true, steps: this.#steps };
      const frame = frames.at(-1);
      if (!frame || this.#steps > stepsMax) return { ok: false, steps: this.#steps, ...this.#best };
      const choice = frame.choices[frame.next++];
      if (!choice) {
        frames.pop();
        for (const taken of frame.taken) this.#putBack(taken);
        continue;
      }
      this.#take(choice.taken);
      frames.push(this.#enter(choice.state, [choice.taken]));
    }
  }

  /** Takes what stands in nobody's way, and lists what may come next. */
  #enter(state: State, taken: number[]): Frame<State> {
    const { after, nameOf } = this.#model;
    const name = nameOf(state);
    for (let again = true; again;) {
      again = false;
      for (const index of this.#first()) {
        const { input, output } = this.#known[index] as Operation<Input, Output>;
        const next = after(state, input, output);
        if (next === undefined || nameOf(next) !== name) continue;
        this.#take(index);
        taken.push(index);
        again = true;
      }
    }
    this.#steps++;
    if (this.#remembered(name)) return { state, taken, choices: [], next: 0 };
    const first = this.#first();
    const choices: { taken: number; state: State }[] = [];
    for (const index of first) {
      const { input, output } = this.#known[index] as Operation<Input, Output>;
      const next = after(state, input, output);
      if (next !== undefined) choices.push({ taken: index, state: next });
    }
    const latest = this.#latestStart(first);
    const seen = new Set<string>();
    for (const [index, { input, startedAt }] of this.#unknown.entries()) {
      if (startedAt > latest) break;
      const inputName = this.#model.nameOfInput(input);
      if (this.#isUsed[index] === 1 || seen.has(inputName)) continue;
      seen.add(inputName);
      const next = after(state, input, undefined);
      if (next !== undefined && nameOf(next) !== name) choices.push({ taken: -1 - index, state: next });
    }
    if (this.#count > this.#best.placed)
      this.#best = {
        placed: this.#count,
        stuckAt: first.map((index) => this.#known[index] as Operation<Input, Output>),
      };
    return { state, taken, choices, next: 0 };
  }

  /** Those of the answered that nothing must precede: each began before any of the rest had ended. */
  #first(): number[] {
    const first: number[] = [];
    let firstEnd = Number.POSITIVE_INFINITY;
    for (let index = this.#lowest; index < this.#known.length; index++) {
      if (this.#isTaken[index] === 1) continue;
      const { startedAt, endedAt } = this.#known[index] as Operation<Input, Output>;
      if (startedAt > firstEnd) break;
      first.push(index);
      firstEnd = Math.min(firstEnd, endedAt);
    }
    return first;
  }

  /** What begins after the first of the rest has ended cannot come next. */
  #latestStart(first: readonly number[]): number {
    return Math.min(...first.map((index) => (this.#known[index] as Operation<Input, Output>).endedAt));
  }

  #take(taken: number): void {
    if (taken < 0) {
      this.#isUsed[-1 - taken] = 1;
      return;
    }
    this.#isTaken[taken] = 1;
    this.#count++;
    while (this.#isTaken[this.#lowest] === 1) this.#lowest++;
  }

  #putBack(taken: number): void {
    if (taken < 0) {
      this.#isUsed[-1 - taken] = 0;
      return;
    }
    this.#isTaken[taken] = 0;
    this.#count--;
    this.#lowest = Math.min(this.#lowest, taken);
  }

  #remembered(name: string): boolean {
    const beyond: number[] = [];
    for (let index = this.#lowest, left = this.#count - this.#lowest; left > 0; index++) {
      if (this.#isTaken[index] !== 1) continue;
      beyond.push(index);
      left--;
    }
    const used: number[] = [];
    for (let index = 0; index < this.#isUsed.length; index++) if (this.#isUsed[index] === 1) used.push(index);
    const key = `${this.#lowest}:${beyond.join()}:${used.join()}:${name}`;
    if (this.#tried.has(key)) return true;
    this.#tried.add(key);
    return false;
  }
}
