import { refuse, type Refusal, type Refused } from '../../src/core/refusals.js';
import type { ToolAuthorizer, ToolGrant } from '../../src/mcp/leash.js';
import { compileGlobs } from '../../src/tasks/glob-rules.js';

/** A session in memory that says what it was asked, and can be made to wait, to refuse and to break. */
export interface FakeAuthorizer extends ToolAuthorizer {
  /** Tools charged, in the order of the grants. */
  readonly charged: string[];
  /** Tools checked without a charge. */
  readonly checked: string[];
  readonly decisionIds: string[];
  budget: number;
  remainingMs: number;
  /** What every question is answered instead of a grant. */
  refusal: Refusal | undefined;
  /** Grants wait until `open` is called. */
  hold(): void;
  open(): void;
  /** Every question rejects. */
  breaks: boolean;
}

export function createFakeAuthorizer(tools: readonly string[], budget = 1_000_000): FakeAuthorizer {
  const matcher = compileGlobs(tools);
  let gate = Promise.resolve();
  let openGate = (): void => {};

  async function judge(tool: string, price: number): Promise<ToolGrant | Refused> {
    await gate;
    if (fake.breaks) throw new Error('the store burst');
    if (fake.refusal !== undefined) return refuse(fake.refusal);
    if (fake.charged.length + price > fake.budget) {
      const { budget: limit } = fake;
      const message = `All ${limit} calls of this session are used.`;
      return refuse({ code: 'BUDGET_EXCEEDED', message, retryable: false, limit, used: fake.charged.length });
    }
    if (!matcher.matches(tool)) {
      return refuse({ code: 'TOOL_NOT_AUTHORIZED', message: 'not in this session', retryable: false, tool });
    }
    (price === 0 ? fake.checked : fake.charged).push(tool);
    return {
      ok: true,
      remaining: { calls: fake.budget - fake.charged.length, ms: fake.remainingMs },
      warnings: [],
    };
  }

  const fake: FakeAuthorizer = {
    charged: [],
    checked: [],
    decisionIds: [],
    budget,
    remainingMs: 60_000,
    refusal: undefined,
    breaks: false,
    async scope() {
      await gate;
      if (fake.breaks) throw new Error('the store burst');
      if (fake.refusal !== undefined) return refuse(fake.refusal);
      return { ok: true, isAuthorized: (tool) => matcher.matches(tool), remainingMs: fake.remainingMs };
    },
    use(tool, call) {
      fake.decisionIds.push(call.decisionId);
      return judge(tool, 1);
    },
    check(tool, call) {
      fake.decisionIds.push(call.decisionId);
      return judge(tool, 0);
    },
    hold() {
      gate = new Promise((resolve) => {
        openGate = resolve;
      });
    },
    open: () => openGate(),
  };
  return fake;
}
