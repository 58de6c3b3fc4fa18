import { knownScopesMax } from './scope-limits.js';

/**
 * The incarnations that scopes had when they were last looked at: a guess that lets a call name its entry's key at once.
 * Whatever it says, the scope's record decides.
 */
export interface KnownScopes {
  get(scope: string): string | undefined;
  set(scope: string, incarnation: string | undefined): void;
}

export function createKnownScopes(): KnownScopes {
  const incarnations = new Map<string, string>();
  return {
    get: (scope) => incarnations.get(scope),
    set(scope, incarnation) {
      incarnations.delete(scope);
      if (incarnation === undefined) return;
      incarnations.set(scope, incarnation);
      for (const oldest of incarnations.keys()) {
        if (incarnations.size <= knownScopesMax) break;
        incarnations.delete(oldest);
      }
    },
  };
}
