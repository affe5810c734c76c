import { RequestMethod, Res, type Type } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';

/** Which of the paths of the extra `routes` a route belongs to. */
export type RouteArea = 'health' | 'metrics' | 'admin';

/** One route of this library, below the application's global prefix. */
export interface OwnRoute {
  readonly area: RouteArea;
  readonly method: string;
  /** As `/admin/connections/:id`. */
  readonly pattern: string;
}

/** Decorators of the application for our routes; the extra `routeDecorators`. */
export type RouteDecorator = ClassDecorator | MethodDecorator;

const areas = new WeakMap<object, RouteArea>();

/** The area of a controller that `finishController` finished; undefined for those of the application. */
export function areaOf(controller: object): RouteArea | undefined {
  return areas.get(controller);
}

/** What Nest's decorators leave on controllers and handlers; there is no public name for it. */
const PATH = 'path';
const METHOD = 'method';
const ARGUMENTS = '__routeArguments__';
/** `RouteParamtypes.RESPONSE`. */
const RESPONSE = 1;

/**
 * Finishes a controller of ours and lists its routes.
 * - Each handler gets the response as one more argument, which tells Nest that the answer is sent by us (by `ReplyInterceptor`):
 *   so no interceptor of the application can wrap it.
 * - `decorators` are put on the class and on each handler, since guards read metadata of either.
 */
export function finishController(
  area: RouteArea,
  controller: Type<unknown>,
  decorators: readonly RouteDecorator[],
): OwnRoute[] {
  areas.set(controller, area);
  const target = controller.prototype as object;
  const base = segments(Reflect.getMetadata(PATH, controller));
  const names = new MetadataScanner().getAllMethodNames(target);
  const routes: OwnRoute[] = [];
  for (const name of names) {
    const handler = (target as Record<string, object>)[name]!;
    if (!Reflect.hasMetadata(PATH, handler)) continue;
    const pattern = `/${[...base, ...segments(Reflect.getMetadata(PATH, handler))].join('/')}`;
    const method = RequestMethod[Reflect.getMetadata(METHOD, handler) as RequestMethod];
    routes.push({ area, method, pattern });
    takeResponse(controller, name);
  }
  applyAll(controller, names, decorators);
  return routes;
}

function segments(path: unknown): string[] {
  return String(path).split('/').filter(Boolean);
}

function takeResponse(controller: Type<unknown>, name: string): void {
  const known: object = Reflect.getMetadata(ARGUMENTS, controller, name) ?? {};
  const taken = Object.keys(known).map(key => key.split(':').map(Number));
  if (taken.some(([kind]) => kind === RESPONSE)) return;
  const index = Math.max(-1, ...taken.map(([, place = -1]) => place)) + 1;
  Res()(controller.prototype as object, name, index);
}

/** A decorator may fit classes only, or methods only; one that fits neither is an error. */
function applyAll(controller: Type<unknown>, names: readonly string[], decorators: readonly RouteDecorator[]): void {
  const target = controller.prototype as object;
  for (const decorator of decorators) {
    // Guards, interceptors, pipes and filters of a class hold for its handlers: on both they would run twice.
    const before = enhancersOf(controller);
    const failure = failureOf(() => (decorator as ClassDecorator)(controller));
    if (failure === null && enhancersOf(controller) !== before) continue;
    for (const name of names) {
      const descriptor = Object.getOwnPropertyDescriptor(target, name);
      const handler: unknown = descriptor?.value;
      if (descriptor === undefined || !Reflect.hasMetadata(PATH, handler as object)) continue;
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
