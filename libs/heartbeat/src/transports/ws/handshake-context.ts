import type { ExecutionContext, Type } from '@nestjs/common';

/** The parts of a handshake that a guard can ask for. */
interface Parts {
  readonly gateway: Type<unknown>;
  readonly handler: () => void;
  readonly request: object;
  readonly response: object;
}

/** A handshake has no further handler. */
const next = () => undefined;

function refuse(): never {
  throw new Error('a handshake is an HTTP request: use switchToHttp(), or getType() in a guard of messages as well');
}

/** The execution context of a guard at the handshake: that of an HTTP request to the gateway. */
export function handshakeContext({ gateway, handler, request, response }: Parts): ExecutionContext {
  const args = [request, response, next];
  return {
    getClass: () => gateway as never,
    getHandler: () => handler,
    getType: () => 'http' as never,
    getArgs: () => args as never,
    getArgByIndex: (index: number) => args[index] as never,
    switchToHttp: () => ({
      getRequest: () => request as never,
      getResponse: () => response as never,
      getNext: () => next as never,
    }),
    switchToRpc: refuse,
    switchToWs: refuse,
  };
}
