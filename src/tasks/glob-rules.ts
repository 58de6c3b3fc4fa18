/**
 * Globs over tool names. `*` matches any number of the characters `A-Z a-z 0-9 _ . : / -`, and nothing else is special.
 * A tool whose name holds any other character (a space, a quote, a letter that only looks like Latin) is matched only by
 * a pattern that writes that character out.
 */
export interface GlobMatcher {
  matches(name: string): boolean;
}

/** A pattern with a `*` in it, cut at its stars. */
interface Glob {
  readonly prefix: string;
  /** What stands between two stars, in order; never empty. */
  readonly middles: readonly string[];
  readonly suffix: string;
}

/** Makes one matcher of several patterns: it matches what one of them matches. No patterns match nothing. */
export function compileGlobs(patterns: readonly string[]): GlobMatcher {
  const names = new Set<string>();
  const globs: Glob[] = [];
  for (const pattern of patterns) {
    if (pattern.includes('*')) globs.push(parseGlob(pattern));
    else names.add(pattern);
  }
  return {
    matches: (name) => names.has(name) || globs.some((glob) => globMatches(glob, name, isWordUnit)),
  };
}

/**
 * Whether everything that `inner` matches is matched by `outer`.
 *
 * Sound: the stars of `inner` are treated as one more character, which only a star of `outer` may match; whatever they
 * stand for, that star then matches it too. Complete as well, for patterns of at most 128 characters: those have too few
 * literals to use up the 66 characters a star stands for, so for each star of `inner` there is a word of which no
 * literal of `outer` can match any part. One pattern against one pattern: a union of patterns that covers `inner` only
 * together does not count.
 */
export function globContains(outer: string, inner: string): boolean {
  if (!outer.includes('*')) return outer === inner;
  return globMatches(parseGlob(outer), inner, isWordUnitOrStar);
}

function parseGlob(pattern: string): Glob {
  const pieces = pattern.split('*');
  return {
    prefix: pieces[0] ?? '',
    middles: pieces.slice(1, -1).filter((piece) => piece !== ''),
    suffix: pieces.at(-1) ?? '',
  };
}

/**
 * Takes the leftmost place for each middle: a later one leaves less room for the rest, and what a star must skip to get
 * there only grows. So nothing is ever tried twice, and the time is at most the name's length times the pattern's.
 */
function globMatches(glob: Glob, name: string, skippable: (unit: number) => boolean): boolean {
  const end = name.length - glob.suffix.length;
  let at = glob.prefix.length;
  if (at > end || !name.startsWith(glob.prefix) || !name.endsWith(glob.suffix)) return false;
  for (const middle of glob.middles) {
    const found = name.indexOf(middle, at);
    if (found < 0 || found + middle.length > end || !allSkippable(name, at, found, skippable)) return false;
    at = found + middle.length;
  }
  return allSkippable(name, at, end, skippable);
}

function allSkippable(name: string, from: number, to: number, skippable: (unit: number) => boolean): boolean {
  for (let index = from; index < to; index++) if (!skippable(name.charCodeAt(index))) return false;
  return true;
}

function isWordUnit(unit: number): boolean {
  return (
    (unit >= 0x61 && unit <= 0x7a) || // a-z
    (unit >= 0x2d && unit <= 0x3a) || // - . / 0-9 :
    (unit >= 0x41 && unit <= 0x5a) || // A-Z
    unit === 0x5f // _
  );
}

function isWordUnitOrStar(unit: number): boolean {
  return unit === 0x2a || isWordUnit(unit);
}
