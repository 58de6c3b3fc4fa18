import { type Refused, refuse } from '../core/refusals.js';
import { quoted } from '../core/text-rules.js';

/** Every "no" of task sessions, with words that a model can act on and that invite no pointless retry. */

export const notFound = (sessionId: string): Refused =>
  refuse({
    code: 'SESSION_NOT_FOUND',
    message: `there is no session ${quoted(sessionId)}; retrying cannot help, ask for a new session`,
    retryable: false,
  });

export const badToken = (): Refused =>
  refuse({
    code: 'SESSION_NOT_FOUND',
    message:
      'no session belongs to this token; retrying cannot help, check the token or ask for a new session',
    retryable: false,
  });

export const agentMismatch = (agentId: string): Refused =>
  refuse({
    code: 'AGENT_MISMATCH',
    message: `this session belongs to another agent than ${quoted(agentId)}; retrying cannot help, use your own session`,
    retryable: false,
  });

export const sessionClosed = (): Refused =>
  refuse({
    code: 'SESSION_CLOSED',
    message:
      'the session was closed; retrying cannot help, finish without further calls or ask for a new session',
    retryable: false,
  });

export const sessionExpired = (): Refused =>
  refuse({
    code: 'SESSION_EXPIRED',
    message:
      'the time of this session is over; retrying cannot help, finish without further calls or ask for a new session',
    retryable: false,
  });

export const parentNotUsable = (why: string): Refused =>
  refuse({
    code: 'PARENT_NOT_USABLE',
    message: `a session above this one ${why}; retrying cannot help, finish without further calls`,
    retryable: false,
  });

export const budgetExceeded = (limit: number, used: number, asked: number): Refused =>
  refuse({
    code: 'BUDGET_EXCEEDED',
    message:
      asked === 1
        ? `all ${limit} calls of this session are used; retrying cannot help, finish with what you have`
        : `${asked} calls were asked for and ${limit - used} of ${limit} are left; ask for fewer, or finish with what you have`,
    retryable: false,
    limit,
    used,
  });

export const toolNotAuthorized = (tool: string): Refused =>
  refuse({
    code: 'TOOL_NOT_AUTHORIZED',
    message: `this session does not allow the tool ${quoted(tool)}; retrying cannot help, use a tool that it allows`,
    retryable: false,
    tool,
  });

export const credentialNotAuthorized = (credential: string): Refused =>
  refuse({
    code: 'CREDENTIAL_NOT_AUTHORIZED',
    message: `this session may not use the credential ${quoted(credential)}; retrying cannot help`,
    retryable: false,
    field: 'credentials',
  });

export const sensitivityExceeded = (asked: string, ceiling: string): Refused =>
  refuse({
    code: 'SENSITIVITY_EXCEEDED',
    message: `the data is ${asked} and this session may see ${ceiling} data at most; retrying cannot help`,
    retryable: false,
    field: 'sensitivity',
  });

export const rateLimited = (calls: number, perMs: number, asked: number, retryAfterMs?: number): Refused =>
  refuse({
    code: 'RATE_LIMITED',
    message:
      retryAfterMs === undefined
        ? `${asked} calls at once are more than ${calls} per ${perMs} ms ever allow; ask for fewer at once`
        : `this session may make ${calls} calls per ${perMs} ms; wait ${retryAfterMs} ms, then repeat the call`,
    retryable: retryAfterMs !== undefined,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    limit: calls,
  });

export const tooManySessions = (
  agentId: string,
  limit: number,
  used: number,
  retryAfterMs: number,
): Refused =>
  refuse({
    code: 'TOO_MANY_SESSIONS',
    message: `agent ${quoted(agentId)} has ${used} live sessions of at most ${limit}; close one, or wait until one expires`,
    retryable: true,
    retryAfterMs,
    limit,
    used,
  });

export const nameTaken = (name: string): Refused =>
  refuse({
    code: 'TASK_NAME_TAKEN',
    message: `the task name ${quoted(name)} is taken; open it by name, or choose another`,
    retryable: false,
    field: 'taskName',
  });

export const agentDeactivated = (agentId: string): Refused =>
  refuse({
    code: 'AGENT_DEACTIVATED',
    message: `agent ${quoted(agentId)} was deactivated and gets no sessions; retrying cannot help`,
    retryable: false,
  });

export const exceedsParent = (field: string, why: string): Refused =>
  refuse({
    code: 'EXCEEDS_PARENT',
    message: `${field}: ${why}; a child session may only narrow what its parent has`,
    retryable: false,
    field,
  });
