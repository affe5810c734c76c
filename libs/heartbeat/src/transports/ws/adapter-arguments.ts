import { describeProblem, HeartbeatError, type Problem } from '../../base/heartbeat.error.js';

const LINE = 'app.useWebSocketAdapter(new HeartbeatWsAdapter(app))';
const OPTIONS = ['messageParser'];

/**
 * Checks the arguments of the adapter: plain JavaScript is not type-checked, and other objects have the interface of an application.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` that names the argument and shows the line to write.
 */
export function assertAdapterArguments(app: unknown, options: unknown): void {
  const problems = [applicationProblem(app), ...optionProblems(options)].filter(problem => problem !== null);
  if (problems.length === 0) return;
  const lines = problems.map(problem => `\n  - ${describeProblem(problem)}`);
  throw new HeartbeatError(
    'HEARTBEAT_BAD_OPTIONS',
    `HeartbeatWsAdapter cannot be made, an argument is wrong:${lines.join('')}`,
    problems,
  );
}

/**
 * @param namespace Of a gateway.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` where there is one.
 */
export function assertNoNamespace(namespace: unknown): void {
  if (namespace === undefined) return;
  const remedy = 'give the gateway a path of its own';
  const problem = { key: 'namespace', value: namespace, rule: 'belongs to Socket.IO', remedy };
  throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `HeartbeatWsAdapter has no namespaces: ${remedy}`, [problem]);
}

function applicationProblem(app: unknown): Problem | null {
  const kind = kindOf(app);
  if (kind === null) return null;
  const [given, remedy] = kind;
  return { key: 'app', value: `(${given})`, rule: 'must be the Nest application', remedy };
}

/** A description of a value that is not an application, and the remedy; null for an application. */
function kindOf(app: unknown): [value: string, remedy: string] | null {
  const has = (name: string) => typeof (app as Record<string, unknown> | null | undefined)?.[name] === 'function';
  if (app === undefined || app === null) return [String(app), `write ${LINE}`];
  if (has('then')) return ['a promise', `await it: const app = await NestFactory.create(AppModule); ${LINE}`];
  if (has('createNestApplication'))
    return ['a TestingModule', `make the application first: const app = module.createNestApplication(); ${LINE}`];
  if (has('listen') && !has('select')) {
    const remedy = `give it the Nest application, which knows its server: ${LINE}`;
    return [has('get') ? 'an HTTP framework or adapter' : 'an HTTP server', remedy];
  }
  if (typeof app === 'function')
    return ['a class or a function', `give it what NestFactory.create resolves to: ${LINE}`];
  // Nest returns a proxy, so a comparison of classes would fail.
  if (typeof app === 'object' && has('get')) return null;
  return ['another object', `give it what NestFactory.create resolves to: ${LINE}`];
}

function optionProblems(options: unknown): Problem[] {
  if (options === undefined) return [];
  if (typeof options !== 'object' || options === null)
    return [{ key: 'options', value: options, rule: 'must be an object', remedy: 'such as { messageParser }' }];
  const { messageParser } = options as { messageParser?: unknown };
  const unknown = Object.keys(options).filter(key => !OPTIONS.includes(key));
  return [
    ...unknown.map(key => ({
      key,
      value: '(set)',
      rule: 'is not an option of the adapter',
      remedy: `the adapter has ${OPTIONS.join(', ')}; all other options are given to HeartbeatModule.forRoot()`,
    })),
    ...(messageParser === undefined || typeof messageParser === 'function'
      ? []
      : [
          {
            key: 'messageParser',
            value: messageParser,
            rule: 'must be a function (data) => ({ event, data })',
            remedy: 'correct it, or leave it out for JSON',
          },
        ]),
  ];
}
