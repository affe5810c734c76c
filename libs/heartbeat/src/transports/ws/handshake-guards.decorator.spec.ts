import { describe, expect, it } from '@jest/globals';
import type { CanActivate } from '@nestjs/common';

import { guardedHandshakeOf, HandshakeGuards } from './handshake-guards.decorator.js';

class First implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}
const second = new First();

@HandshakeGuards(First)
class Base {
  handle(): void {}
}

@HandshakeGuards(second)
class Derived extends Base {}

class Plain extends Base {}

describe('HandshakeGuards', () => {
  it('are those of the class, after those of its base class', () => {
    expect(guardedHandshakeOf(Base)?.guards).toEqual([First]);
    expect(guardedHandshakeOf(Derived)?.guards).toEqual([First, second]);
    expect(guardedHandshakeOf(Plain)?.guards).toEqual([First]);
    expect(guardedHandshakeOf(First)).toBeUndefined();
  });

  it('have a handler of their own, which no instance enumerates', () => {
    const handlers = [Base, Derived].map(target => guardedHandshakeOf(target)?.handler);
    expect(handlers.every(handler => typeof handler === 'function')).toBe(true);
    expect(new Set(handlers).size).toBe(2);
    expect(Object.keys(Base.prototype)).toEqual([]);
  });

  it.each([[undefined], [{}], ['Guard']])('refuse %j, which is no guard', wrong => {
    expect(() => HandshakeGuards(wrong as never)(First)).toThrow(/guard/);
  });
});
