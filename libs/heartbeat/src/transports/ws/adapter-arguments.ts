import { describeProblem, HeartbeatError, type Problem } from '../../base/heartbeat.error.js';

/** The options of the WebSocket adapter. Those of the other belong to Socket.IO. */
const OPTIONS = ['messageParser'];

type Adapter = 'HeartbeatWsAdapter' | 'HeartbeatIoAdapter';

/**
 * Checks the arguments of the adapter: plain JavaScript is not type-checked, and other objects have the interface of an application.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` that names the argument and shows the line to write.
 */
export function assertAdapterArguments(app: unknown, options: unknown, adapter: Adapter = 'HeartbeatWsAdapter'): void {
  const line = `app.useWebSocketAdapter(new ${adapter}(app))`;
  const ofOptions = optionProblems(options, adapter);
  const problems = [applicationProblem(app, line), ...ofOptions].filter(problem => problem !== null);
  if (problems.length === 0) return;
  const lines = problems.map(problem => `\n  - ${describeProblem(problem)}`);
  throw new HeartbeatError(
    'HEARTBEAT_BAD_OPTIONS',
    `${adapter} cannot be made, an argument is wrong:${lines.join('')}`,
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

const EXAMPLES = { HeartbeatWsAdapter: 'such as { messageParser }', HeartbeatIoAdapter: 'such as { cors }' };

function applicationProblem(app: unknown, line: string): Problem | null {
  const kind = kindOf(app, line);
  if (kind === null) return null;
  const [given, remedy] = kind;
  return { key: 'app', value: `(${given})`, rule: 'must be the Nest application', remedy };
}

/** A description of a value that is not an application, and the remedy; null for an application. */
function kindOf(app: unknown, line: string): [value: string, remedy: string] | null {
  const has = (name: string) => typeof (app as Record<string, unknown> | null | undefined)?.[name] === 'function';
  if (app === undefined || app === null) return [String(app), `write ${line}`];
  if (has('then')) return ['a promise', `await it: const app = await NestFactory.create(AppModule); ${line}`];
  if (has('createNestApplication'))
    return ['a TestingModule', `make the application first: const app = module.createNestApplication(); ${line}`];
  if (has('listen') && !has('select')) {
    const remedy = `give it the Nest application, which knows its server: ${line}`;
    return [has('get') ? 'an HTTP framework or adapter' : 'an HTTP server', remedy];
  }
  if (typeof app === 'function')
    return ['a class or a function', `give it what NestFactory.create resolves to: ${line}`];
  // Nest returns a proxy, so a comparison of classes would fail.
  if (typeof app === 'object' && has('get')) return null;
  return ['another object', `give it what NestFactory.create resolves to: ${line}`];
}

function optionProblems(options: unknown, adapter: Adapter): Problem[] {
  if (options === undefined) return [];
  if (typeof options !== 'object' || options === null)
    return [{ key: 'options', value: options, rule: 'must be an object', remedy: EXAMPLES[adapter] }];
  if (adapter === 'HeartbeatIoAdapter') return [];
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
