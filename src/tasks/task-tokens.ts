import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A token is the agent's capability: whoever has it may use the session. Only its SHA-256 is stored. */
export interface NewToken {
  readonly token: string;
  readonly sha256: string;
}

/** 256 random bits cannot be guessed, and need no slow hash. */
const secretBytes = 32;

const tokenForm = /^ambit_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

export function newToken(sessionId: string): NewToken {
  const token = `ambit_${sessionId}_${randomBytes(secretBytes).toString('base64url')}`;
  return { token, sha256: sha256(token) };
}

/** The session a token names, if it has the form of one. */
export function sessionIdOf(token: string): string | undefined {
  return tokenForm.exec(token)?.[1];
}

/** Compares without telling by its time how much of the two agrees. */
export function isToken(token: string, expectedSha256: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(token), 'hex'), Buffer.from(expectedSha256, 'hex'));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
