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

/** Names remembered for a list of patterns: past it they are matched anew, or a flood of names would fill the memory. */
const namesRememberedMax = 256;

/** Makes one matcher of several patterns: it matches what one of them matches. No patterns match nothing. */
export function compileGlobs(patterns: readonly string[]): GlobMatcher {
  // Names that match: those written out, and those a glob matched lately, which a loop will ask for again.
  const names = new Set<string>();
  const globs: Glob[] = [];
  for (const pattern of patterns) {
    if (pattern.includes('*')) globs.push(parseGlob(pattern));
    else names.add(pattern);
  }
  const namesMax = names.size + namesRememberedMax;
  return {
    matches(name) {
      if (names.has(name)) return true;
      const matched = globs.some((glob) => globMatches(glob, name, isWordUnit));
      if (matched && names.size < namesMax) names.add(name);
      return matched;
    },
  };
}

/** Matchers of lists compiled lately, since most sessions of a program have one of a few lists. */
const compiled = new Map<string, GlobMatcher>();

/** Lists of which the matcher is kept; past it all are forgotten, and compiled again when they are next seen. */
const compiledMax = 1_000;

/** The matcher of these patterns, shared by all who ask for the same list. */
export function matcherOf(patterns: readonly string[]): GlobMatcher {
  // No pattern holds a line feed: lists that differ have names that differ.
  const name = patterns.join('\n');
  const known = compiled.get(name);
  if (known) return known;
  if (compiled.size >= compiledMax) compiled.clear();
  const matcher = compileGlobs(patterns);
  compiled.set(name, matcher);
  return matcher;
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
