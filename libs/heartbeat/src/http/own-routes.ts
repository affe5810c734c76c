import { RequestMethod, Res, type Type } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';

/** The path of the extra `routes` that a route belongs to. */
export type RouteArea = 'health' | 'metrics' | 'admin';

/** One route of this library, below the application's global prefix. */
export interface OwnRoute {
  readonly area: RouteArea;
  readonly method: string;
  /** Such as `/admin/connections/:id`. */
  readonly pattern: string;
  /** The name of the change that the route makes, in the audit trail; undefined for a route that only reads. */
  readonly action?: string;
}

/** Decorators of the application for the library's routes: the extra `routeDecorators`. */
export type RouteDecorator = ClassDecorator | MethodDecorator;

const areas = new WeakMap<object, RouteArea>();

/** The area of one of the library's controllers; undefined for those of the application. */
export function areaOf(controller: object): RouteArea | undefined {
  return areas.get(controller);
}

export function setArea(controller: object, area: RouteArea): void {
  areas.set(controller, area);
}

const actions = new WeakMap<object, string>();

/** Names the change that a route makes, for the audit entry of a request that the role forbids. The route records its own with that name. */
export function AuditedAs(action: string): MethodDecorator {
  return (_target, _name, descriptor) => void actions.set(descriptor.value as object, action);
}

/** One handler of a controller, from the metadata of Nest's decorators. */
export interface RouteHandler {
  readonly name: string;
  readonly handler: object;
  readonly method: string;
  /** Below the path of the controller. */
  readonly path: string;
}

export function handlersOf(controller: Type<unknown>): RouteHandler[] {
  const target = controller.prototype as Record<string, object>;
  const names = new MetadataScanner().getAllMethodNames(target);
  return names.flatMap(name => {
    const handler = target[name]!;
    if (!Reflect.hasMetadata(PATH, handler)) return [];
    const method = RequestMethod[Reflect.getMetadata(METHOD, handler) as RequestMethod];
    return [{ name, handler, method, path: String(Reflect.getMetadata(PATH, handler)) }];
  });
}

/** The metadata keys of Nest's decorators. There is no public name for them. */
const PATH = 'path';
const METHOD = 'method';
const ARGUMENTS = '__routeArguments__';
/** `RouteParamtypes.RESPONSE` and `RouteParamtypes.QUERY`. */
const RESPONSE = 1;
const QUERY = 4;

/**
 * Completes one of the library's controllers and lists its routes.
 * - Each handler gets the response as one more argument. So Nest leaves the response to `ReplyInterceptor`, and no interceptor of the
 *   application can wrap it.
 * - `decorators` are applied to the class and to each handler, since guards read metadata of either.
 */
export function finishController(controller: Type<unknown>, decorators: readonly RouteDecorator[]): OwnRoute[] {
  const area = areas.get(controller)!;
  const base = segments(Reflect.getMetadata(PATH, controller));
  const handlers = handlersOf(controller);
  for (const { name } of handlers) takeResponse(controller, name);
  const names = handlers.map(({ name }) => name);
  applyAll(controller, names, decorators);
  return handlers.map(({ handler, method, path }) => {
    const action = actions.get(handler);
    const pattern = `/${[...base, ...segments(path)].join('/')}`;
    return { area, method, pattern, ...(action !== undefined && { action }) };
  });
}

function segments(path: unknown): string[] {
  return String(path).split('/').filter(Boolean);
}

/**
 * Whether a handler has the query as an argument. A decorator of the application may have replaced a handler by one with another name, which
 * is unknown.
 */
export function takesQuery(controller: Type<unknown>, name: string): boolean {
  const taken = argumentsOf(controller, name);
  return taken.length === 0 || taken.some(([kind]) => kind === QUERY);
}

/** The kind and the place of each argument that a decorator fills. */
function argumentsOf(controller: Type<unknown>, name: string): number[][] {
  const known: object = Reflect.getMetadata(ARGUMENTS, controller, name) ?? {};
  return Object.keys(known).map(key => key.split(':').map(Number));
}

function takeResponse(controller: Type<unknown>, name: string): void {
  const taken = argumentsOf(controller, name);
  if (taken.some(([kind]) => kind === RESPONSE)) return;
  const index = Math.max(-1, ...taken.map(([, place = -1]) => place)) + 1;
  Res()(controller.prototype as object, name, index);
}

/** A decorator may support classes only, or methods only. One that supports neither is an error. */
function applyAll(controller: Type<unknown>, names: readonly string[], decorators: readonly RouteDecorator[]): void {
  const target = controller.prototype as object;
  for (const decorator of decorators) {
    // Guards, interceptors, pipes and filters of a class apply to its handlers; on both they would run twice.
    const before = enhancersOf(controller);
    const failure = failureOf(() => (decorator as ClassDecorator)(controller));
    if (failure === null && enhancersOf(controller) !== before) continue;
    for (const name of names) {
      const descriptor = Object.getOwnPropertyDescriptor(target, name)!;
      const second = failureOf(() => (decorator as MethodDecorator)(target, name, descriptor));
      if (failure !== null && second !== null) throw failure;
    }
  }
}

const ENHANCERS = ['__guards__', '__interceptors__', '__pipes__', '__exceptionFilters__'];

function enhancersOf(controller: Type<unknown>): string {
  return ENHANCERS.map(key => ((Reflect.getMetadata(key, controller) ?? []) as unknown[]).length).join();
}

function failureOf(apply: () => unknown): Error | null {
  try {
    apply();
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
