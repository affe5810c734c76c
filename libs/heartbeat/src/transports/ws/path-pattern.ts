import { type Key, parse, pathToRegexp, stringify, type Text, type Token, TokenData } from 'path-to-regexp';

import { detachString } from '../../base/detach-string.js';
import { NO_PARAMS, type PathParams } from '../../base/path-params.js';
import { canonicalPart } from './canonical-path.js';

/** The limit of path-to-regexp for the combinations of optional parts. */
const MAX_ROUTES = 256;

/** The place of a parameter and of a wildcard in a shape. A path has no such character. */
const PARAMETER = '\0:';
const WILDCARD = '\0*';

/** A segment that the path of no request has (RFC 3986, section 5.2.4), also percent-encoded. */
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

/** A part of a route, with every optional part resolved. */
type Part = Text | Key;

/** Whether a gateway's path is a pattern, and not a text to compare with. */
export function isPattern(path: string): boolean {
  return /[:*{}\\]/.test(path);
}

/**
 * A gateway's path with parameters (`:room`), wildcards (`*rest`) and optional parts (`{/:page}`), in the syntax of Nest's router, which is
 * that of path-to-regexp 8. As for other paths of gateways, case matters, and a request may end in a slash only if the pattern does.
 *
 * A match takes time in proportion to the length of the path: path-to-regexp excludes backtracking within a segment, and a route here has at
 * most one wildcard.
 */
export class PathPattern {
  /** The same for equal patterns. */
  readonly key: string;
  /** One route for each combination of the optional parts. */
  readonly routes: readonly PatternRoute[];

  /**
   * @param text The pattern as written, with a leading slash.
   * @throws Error that describes the fault of a pattern that cannot be served.
   */
  constructor(readonly text: string) {
    const routes = new Map<string, PatternRoute>();
    for (const parts of combinationsOf(parse(text).tokens)) {
      const route = new PatternRoute(parts);
      routes.set(route.text, routes.get(route.text) ?? route);
    }
    this.routes = [...routes.values()];
    this.key = [...routes.keys()].join('\n');
  }
}

/** One form of the paths that a pattern matches. */
export class PatternRoute {
  readonly text: string;
  /** The same for routes that match the same paths; the path itself for a route without parameters. */
  readonly shape: string;
  /** Whether it ends in a slash. Requests may then end in one, too. */
  readonly takesSlash: boolean;
  readonly #ranks: readonly number[];
  readonly #regexp: RegExp;
  readonly #keys: readonly Key[];

  constructor(given: readonly Part[]) {
    if (DOT_SEGMENT.test(shapeOf(given))) throw new Error('has a segment "." or ".."');
    const { parts, takesSlash } = canonicalParts(given);
    this.takesSlash = takesSlash;
    this.text = stringify(new TokenData(parts));
    this.shape = shapeOf(parts);
    this.#ranks = this.shape.split('/').slice(1).map(rankOf);
    const { regexp, keys } = pathToRegexp(new TokenData(parts), { sensitive: true, trailing: false });
    if (new Set(keys.map(({ name }) => name)).size < keys.length) throw new Error('names a parameter twice');
    if (keys.filter(({ type }) => type === 'wildcard').length > 1)
      throw new Error('has two wildcards, which may take time that grows with the square of a path');
    this.#regexp = regexp;
    this.#keys = keys;
  }

  /** Negative where this route comes first: by segment a text, a text with parameters, a parameter, a wildcard. */
  compare(other: PatternRoute): number {
    const length = Math.max(this.#ranks.length, other.#ranks.length);
    for (let index = 0; index < length; index++) {
      const difference = (this.#ranks[index] ?? END) - (other.#ranks[index] ?? END);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /**
   * The parameters of a path in the form of {@link canonicalPath}. Returns null where it does not match, and `malformed` where a value has
   * an invalid percent-encoding.
   */
  match(path: string): PathParams | 'malformed' | null {
    const found = this.#regexp.exec(path);
    if (found === null) return null;
    if (this.#keys.length === 0) return NO_PARAMS;
    const params = Object.create(null) as Record<string, string | readonly string[]>;
    try {
      this.#keys.forEach(({ name, type }, index) => {
        const value = detachString(found[index + 1]!);
        params[name] =
          type === 'param' ? decodeURIComponent(value) : Object.freeze(value.split('/').map(decodeURIComponent));
      });
    } catch {
      return 'malformed';
    }
    return Object.freeze(params);
  }
}

/** The rank of a route that has no further segment, and so ends in a wildcard before. */
const END = 4;

function shapeOf(parts: readonly Part[]): string {
  return parts.map(part => (part.type === 'text' ? part.value : part.type === 'param' ? PARAMETER : WILDCARD)).join('');
}

function rankOf(segment: string): number {
  if (segment.includes(WILDCARD)) return 3;
  if (segment === PARAMETER) return 2;
  return segment.includes(PARAMETER) ? 1 : 0;
}

/** The parts with and without each optional part. */
function combinationsOf(tokens: readonly Token[]): Part[][] {
  let combinations: Part[][] = [[]];
  for (const token of tokens) {
    const tails = token.type === 'group' ? [...combinationsOf(token.tokens), []] : [[token]];
    combinations = combinations.flatMap(head => tails.map(tail => [...head, ...tail]));
    if (combinations.length > MAX_ROUTES) throw new Error(`has more than ${MAX_ROUTES} combinations of optional parts`);
  }
  return combinations;
}

/** The parts in the form of a request's path: one leading slash, no trailing slash, texts percent-encoded and in one piece. */
function canonicalParts(given: readonly Part[]): { readonly parts: Part[]; readonly takesSlash: boolean } {
  const parts: Part[] = [{ type: 'text', value: '/' }];
  for (const part of given) {
    const last = parts.at(-1);
    if (part.type !== 'text' || last?.type !== 'text') parts.push(part);
    else parts[parts.length - 1] = { type: 'text', value: last.value + part.value };
  }
  const canonical = parts.map(part =>
    part.type === 'text' ? { ...part, value: canonicalPart(part.value).replace(/\/+/g, '/') } : part,
  );
  const last = canonical.at(-1);
  if (last?.type !== 'text' || !last.value.endsWith('/') || (last.value === '/' && canonical.length === 1))
    return { parts: canonical, takesSlash: false };
  const rest = last.value.slice(0, -1);
  return { parts: [...canonical.slice(0, -1), ...(rest === '' ? [] : [{ ...last, value: rest }])], takesSlash: true };
}
