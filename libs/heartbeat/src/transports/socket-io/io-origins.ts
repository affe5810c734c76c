import type { OriginJudge } from '../../base/origin.js';
import type { EngineRequest } from './engine-fields.js';

type Decided = (judge: OriginJudge | undefined) => void;

/** Calls `decided` with the check of origins for a request; with undefined where the option `origins` applies. */
export type OriginRule = (request: EngineRequest, decided: Decided) => void;

type CorsDelegate = (
  request: EngineRequest,
  done: (error: unknown, options?: { readonly origin?: unknown }) => void,
) => void;
type OriginDelegate = (origin: string | undefined, done: (error: unknown, allowed?: unknown) => void) => void;

const all: OriginJudge = () => 'allowed';
const none: OriginJudge = origin => (origin === undefined ? 'allowed' : 'refused');

/**
 * The origins that the option `cors` of a Socket.IO server allows, in all forms of the package `cors`. Socket.IO itself applies it to polling
 * only. Here it applies to WebSocket as well, where the application has set the member `origin`.
 */
export function originRule(cors: unknown): OriginRule {
  if (typeof cors === 'function') {
    const delegate = cors as CorsDelegate;
    return (request, decided) =>
      delegate(request, (error, options) => (error ? decided(none) : decide(options?.origin, request, decided)));
  }
  if (typeof cors === 'object' && cors !== null) {
    return (request, decided) => decide((cors as { readonly origin?: unknown }).origin, request, decided);
  }
  return (_request, decided) => decided(undefined);
}

function decide(origin: unknown, request: EngineRequest, decided: Decided): void {
  if (typeof origin !== 'function') return decided(judgeOf(origin));
  const delegate = origin as OriginDelegate;
  delegate(request.headers.origin, (error, allowed) => decided(error || !allowed ? none : judgeOf(allowed)));
}

/** Undefined where the application has set no origin: other members of `cors` open no page's way to a WebSocket. */
function judgeOf(allowed: unknown): OriginJudge | undefined {
  if (!allowed) return undefined;
  if (allowed === true || allowed === '*') return all;
  return origin => (origin === undefined || matches(origin, allowed) ? 'allowed' : 'refused');
}

function matches(origin: string, allowed: unknown): boolean {
  if (Array.isArray(allowed)) return allowed.some(entry => matches(origin, entry));
  return allowed instanceof RegExp ? allowed.test(origin) : allowed === origin;
}
