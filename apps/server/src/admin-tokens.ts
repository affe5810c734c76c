import { randomBytes } from 'node:crypto';

import type { AdminToken, HeartbeatOptions, Problem } from 'nestjs-heartbeat';

import type { Variables } from './variable-names.js';

/** Shorter tokens can be guessed. */
const SHORTEST_TOKEN = 16;
const MAKE_ONE = 'make one with openssl rand -base64 24';

/** Where the operator's token is from; `nowhere`: it was made for this run, and there is no terminal to show it on. */
export type TokenSource = 'variable' | 'file' | 'generated' | 'nowhere';

/** The tokens of the admin API. */
export interface AdminTokens {
  readonly tokens: readonly AdminToken[];
  /** The operator's token when it was made for this run; null when ADMIN_TOKEN or ADMIN_TOKEN_FILE holds it. */
  readonly generatedToken: string | null;
  readonly tokenSource: TokenSource;
}

/** @param given With the content of ADMIN_TOKEN_FILE as ADMIN_TOKEN. Problems are added to `problems`. */
export function readAdminTokens(given: Variables, problems: Problem[]): AdminTokens {
  const { ADMIN_TOKEN, ADMIN_VIEWER_TOKEN } = given;
  for (const [key, token] of Object.entries({ ADMIN_TOKEN, ADMIN_VIEWER_TOKEN })) {
    if (token === undefined || token.length >= SHORTEST_TOKEN) continue;
    const rule = `must have ${SHORTEST_TOKEN} characters or more`;
    problems.push({ key: nameOf(key, given), value: '(hidden)', rule, remedy: MAKE_ONE });
  }
  const generatedToken = ADMIN_TOKEN === undefined ? randomBytes(24).toString('base64url') : null;
  const tokens: AdminToken[] = [{ token: ADMIN_TOKEN ?? generatedToken!, role: 'operator', name: 'operator' }];
  if (ADMIN_VIEWER_TOKEN === ADMIN_TOKEN && ADMIN_TOKEN !== undefined) problems.push(SAME_TOKEN);
  else if (ADMIN_VIEWER_TOKEN !== undefined) tokens.push({ token: ADMIN_VIEWER_TOKEN, role: 'viewer', name: 'viewer' });
  const givenSource = given['ADMIN_TOKEN_FILE'] === undefined ? 'variable' : 'file';
  return { tokens, generatedToken, tokenSource: generatedToken === null ? givenSource : 'generated' };
}

/**
 * The settings of a server whose output is no terminal, or JSON: a generated token would stay in logs, so that there is none, and
 * the admin API reports that no token is configured.
 */
export function withoutHiddenToken<S extends AdminSettings>(settings: S, isTerminal: boolean): S {
  if (settings.generatedToken === null || (isTerminal && settings.logFormat === 'text')) return settings;
  const tokens = (settings.options.admin?.tokens ?? []).filter(({ token }) => token !== settings.generatedToken);
  const options = { ...settings.options, admin: { ...settings.options.admin, tokens } };
  return { ...settings, options, generatedToken: null, tokenSource: 'nowhere' };
}

/** The settings that {@link withoutHiddenToken} reads. */
interface AdminSettings extends Omit<AdminTokens, 'tokens'> {
  readonly logFormat: 'text' | 'json';
  readonly options: HeartbeatOptions;
}

const SAME_TOKEN: Problem = {
  key: 'ADMIN_VIEWER_TOKEN',
  value: '(hidden)',
  rule: 'must differ from ADMIN_TOKEN',
  remedy: 'choose another, or leave it out',
};

/** `admin.tokens.0.token` is ADMIN_TOKEN, and the next is the viewer's; neither is ever shown. */
export function namingToken(problem: Problem, given: Variables): Problem {
  const place = /^admin\.tokens\.(\d)/.exec(problem.key)?.[1];
  if (place === undefined) return problem;
  const key = place === '0' ? nameOf('ADMIN_TOKEN', given) : 'ADMIN_VIEWER_TOKEN';
  return { ...problem, key, value: '(hidden)', remedy: MAKE_ONE };
}

/** The variable that an operator has set: the one with a file's path, where the token is from a file. */
function nameOf(key: string, given: Variables): string {
  return key === 'ADMIN_TOKEN' && given['ADMIN_TOKEN_FILE'] !== undefined ? 'ADMIN_TOKEN_FILE' : key;
}
