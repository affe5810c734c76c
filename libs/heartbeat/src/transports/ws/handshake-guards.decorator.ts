import { type CanActivate, type Type, UseGuards } from '@nestjs/common';

const METADATA = 'nestjs-heartbeat:handshake-guards';
/** The property of a gateway's prototype that carries the guards for Nest's scanner. It has the form of no method name. */
const CARRIER = '@HandshakeGuards';

/** The guards of a gateway's handshake, and the function that stands for its handler. */
export interface GuardedHandshake {
  readonly guards: readonly (Type<CanActivate> | CanActivate)[];
  readonly handler: () => void;
}

/**
 * Nest guards that run at the upgrade to a gateway, before `authenticate`. Their context is of type `http`: `getRequest()` is the upgrade
 * request, `getResponse()` a detached response whose headers join the answer, `getClass()` the gateway. A class is created by the gateway's
 * module, as with `@UseGuards()`; a request-scoped guard makes the gateway request-scoped, too. Guards of several gateways with one path all
 * apply. Guards of a base class come first.
 *
 * `false` refuses with 403, an `HttpException` with its status, another exception with 500, no result within `limits.handshakeTimeoutMs`
 * with 503. Global guards of the application do not run.
 */
export function HandshakeGuards(...guards: (Type<CanActivate> | CanActivate)[]): ClassDecorator {
  return target => {
    const all = [...(guardedHandshakeOf(target)?.guards ?? []), ...guards];
    const handler = () => void target;
    // Nest then creates the classes in the gateway's module. As guards of the class they would run for each message.
    UseGuards(...all)(target.prototype as object, CARRIER, { value: handler });
    Object.defineProperty(target.prototype, CARRIER, { value: handler, configurable: true });
    Reflect.defineMetadata(METADATA, { guards: all, handler } satisfies GuardedHandshake, target);
  };
}

/** The guards of a class or its base class; undefined without any. */
export function guardedHandshakeOf(target: object): GuardedHandshake | undefined {
  return Reflect.getMetadata(METADATA, target) as GuardedHandshake | undefined;
}
