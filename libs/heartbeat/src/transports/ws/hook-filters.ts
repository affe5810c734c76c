import type { ArgumentsHost, ExceptionFilter, Type } from '@nestjs/common';
import { BaseWsExceptionFilter, WsException } from '@nestjs/websockets';

import { guarded } from '../../connection/lifetime.js';

/** The metadata keys that `@UseFilters()` and `@Catch()` write. There is no public name for them. */
const FILTERS = '__exceptionFilters__';
const CAUGHT = '__filterCatchExceptions__';

/** Finds the instance of a filter that was given as a class; undefined without one. */
export type FindFilter = (filter: Type<ExceptionFilter>) => ExceptionFilter | undefined;

type WsClient = Parameters<BaseWsExceptionFilter['handleUnknownError']>[1];

/** The filter of a gateway without filters. An error other than a `WsException` is logged by the caller, with a limit. */
class DefaultFilter extends BaseWsExceptionFilter {
  override handleUnknownError(_error: unknown, client: WsClient, cause?: object): void {
    // Sockets of `ws` are tracked ones, which send this event.
    client.emit?.('exception', { status: 'error', message: 'Internal server error', cause });
  }
}

/**
 * Passes an error of a gateway's lifecycle hook to the gateway's exception filters, as Nest's next release does: filters of the method
 * first, then of the class, each from last to first. Without a filter, a client that has just connected receives an `exception` event.
 * Errors and rejections of a filter are passed to `failed`.
 * @returns Whether the application has handled the error; otherwise the caller logs it.
 */
export function filterHookError(
  error: unknown,
  { gateway, hook, name, client }: { gateway: Type<unknown>; hook: object; name: string; client: unknown },
  { find, failed }: { find: FindFilter; failed: (what: string, error: unknown) => void },
): boolean {
  const given = [...filtersOf(gateway), ...filtersOf(hook)].toReversed();
  const filters = given.map(filter => (typeof filter === 'function' ? find(filter) : filter));
  const filter = filters.find(candidate => candidate !== undefined && catches(candidate, error));
  const byDefault = name === 'handleConnection' ? new DefaultFilter() : undefined;
  const chosen = filter ?? byDefault;
  const apply = chosen?.catch.bind(chosen, error, hostOf(client, name));
  if (apply) guarded(apply, 'the exception filter', failed);
  return filter !== undefined || error instanceof WsException;
}

function filtersOf(target: object): (ExceptionFilter | Type<ExceptionFilter>)[] {
  return (Reflect.getMetadata(FILTERS, target) as (ExceptionFilter | Type<ExceptionFilter>)[] | undefined) ?? [];
}

/** A filter without types catches every error. */
function catches(filter: ExceptionFilter, error: unknown): boolean {
  const types = (Reflect.getMetadata(CAUGHT, filter.constructor) as Type<unknown>[] | undefined) ?? [];
  return types.length === 0 || types.some(type => error instanceof type);
}

/**
 * The arguments of a message, with the hook's name as its event. The data stays undefined, since filters may send it and the request must
 * not leave the server.
 */
function hostOf(client: unknown, name: string): ArgumentsHost {
  const args = [client, undefined, name];
  const refuse = () => {
    throw new Error(`${name} is a hook of a WebSocket gateway: use switchToWs()`);
  };
  return {
    getArgs: () => args as never,
    getArgByIndex: (index: number) => args[index] as never,
    getType: () => 'ws' as never,
    switchToWs: () => ({ getClient: () => client as never, getData: () => undefined as never, getPattern: () => name }),
    switchToHttp: refuse,
    switchToRpc: refuse,
  };
}
