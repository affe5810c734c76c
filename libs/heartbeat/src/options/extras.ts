import { isPlainObject } from '../base/freeze-deeply.js';
import { describeProblem, HeartbeatError, type Problem } from '../base/heartbeat.error.js';

/** The paths of the HTTP routes; `false` removes one. An extra: it is passed beside the options, never by a factory. */
export interface HeartbeatRoutes {
  /** Default: `/health`, with `/live`, `/ready` and `/startup` below it. */
  health: string | false;
  /** Default: `/metrics`. */
  metrics: string | false;
  /** Default: `/admin`. */
  admin: string | false;
}

export const DEFAULT_ROUTES: HeartbeatRoutes = Object.freeze({
  health: '/health',
  metrics: '/metrics',
  admin: '/admin',
});

/** One rule for each extra. The compiler checks the same rules, but not in plain JavaScript. */
const RULES: Readonly<Record<string, (value: unknown) => Problem[]>> = {
  isGlobal: value =>
    typeof value === 'boolean' ? [] : [wrong('isGlobal', value, 'must be true or false', 'correct it')],
  routes: routesProblems,
  adminGuard: value => (isGuardClass(value) ? [] : [guardProblem(value)]),
};

/** The names of all extras. */
export const EXTRAS: readonly string[] = Object.keys(RULES);
const FACTORIES = ['useFactory', 'useClass', 'useExisting'];
const ASYNC = [...FACTORIES, 'inject', 'imports', 'provideInjectionTokensFrom'];

/** @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` with every problem of the extras beside the options. */
export function assertExtras(given: unknown): void {
  const problems = extrasProblems(given);
  if (problems.length > 0) throw refusal(problems);
}

/** @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` with every problem of the argument of `forRootAsync`. */
export function assertAsyncOptions(given: unknown): void {
  const problems = extrasProblems(given);
  const keys = Object.keys(Object(given) as object);
  for (const key of keys.filter(name => !ASYNC.includes(name) && !EXTRAS.includes(name))) {
    const remedy = `options are returned by useFactory; beside it stand ${[...ASYNC, ...EXTRAS].join(', ')}`;
    problems.push(wrong(key, '(set)', 'is not a key of forRootAsync', remedy));
  }
  const factories = FACTORIES.filter(name => (given as Record<string, unknown> | undefined)?.[name] !== undefined);
  if (factories.length !== 1) {
    const value = factories.length === 0 ? undefined : factories.join(', ');
    problems.push(wrong('forRootAsync', value, `must have one of ${FACTORIES.join(', ')}`, 'give exactly one'));
  }
  if (problems.length > 0) throw refusal(problems);
}

function extrasProblems(given: unknown): Problem[] {
  if (!isPlainObject(given)) return [];
  return EXTRAS.filter(key => given[key] !== undefined).flatMap(key => RULES[key]?.(given[key]) ?? []);
}

function routesProblems(routes: unknown): Problem[] {
  const known = Object.keys(DEFAULT_ROUTES);
  const shape = `{ ${known.map(key => `${key}: '/${key}'`).join(', ')} }`;
  if (!isPlainObject(routes)) return [wrong('routes', routes, `must be an object such as ${shape}`, 'correct it')];
  return Object.entries(routes).flatMap(([key, path]) => {
    if (!known.includes(key))
      return [wrong(`routes.${key}`, path, 'is not a route', `the routes are ${known.join(', ')}`)];
    if (path === undefined || path === false || isPath(path)) return [];
    const remedy = `leave it out for ${JSON.stringify(DEFAULT_ROUTES[key as keyof typeof DEFAULT_ROUTES])}`;
    return [wrong(`routes.${key}`, path, `must be a path such as "/${key}", or false for no route`, remedy)];
  });
}

/** Whether Nest accepts a text as the path of a controller, without patterns. */
function isPath(path: unknown): boolean {
  return typeof path === 'string' && /^\/?[\w.~-]+(?:\/[\w.~-]+)*\/?$/.test(path);
}

function isGuardClass(value: unknown): boolean {
  return (
    typeof value === 'function' &&
    typeof (value.prototype as { canActivate?: unknown } | undefined)?.canActivate === 'function'
  );
}

function guardProblem(value: unknown): Problem {
  const isInstance = typeof (value as { canActivate?: unknown } | null)?.canActivate === 'function';
  const remedy = isInstance
    ? 'give the class, not an instance of it'
    : 'give a class with canActivate, or use admin.tokens';
  return wrong('adminGuard', isInstance ? '(an instance)' : value, 'must be a guard class of Nest', remedy);
}

function wrong(key: string, value: unknown, rule: string, remedy: string): Problem {
  return { key, value, rule, remedy };
}

function refusal(problems: readonly Problem[]): HeartbeatError {
  const are = problems.length === 1 ? 'an extra is' : `${problems.length} extras are`;
  const lines = problems.map(problem => `\n  - ${describeProblem(problem)}`);
  return new HeartbeatError(
    'HEARTBEAT_BAD_OPTIONS',
    `HeartbeatModule cannot start, ${are} wrong:${lines.join('')}`,
    problems,
  );
}
