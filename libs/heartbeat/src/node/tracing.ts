import type { IncomingMessage } from 'node:http';

/** An attempt to connect, as far as a span shows it. */
export interface TracedAttempt {
  readonly request: IncomingMessage;
  /** Calls `listener` once when the client disconnects. The returned function cancels that. */
  onGone(listener: () => void): () => void;
}

/** Ends the span of an attempt: with a refusal, which has a status and a reason, or with an admission. */
export type EndAttempt = (verdict: object) => void;

/** Spans around work of the node. A port: rules begin spans, and `telemetry/` exports them where the application has a tracer. */
export abstract class Tracing {
  /** Whether spans are recorded. Without a tracer the work runs as if there were no port. */
  abstract readonly isOn: boolean;
  /**
   * Runs the admission of an attempt in a span. Its parent is the span that the headers of the request name, and application code that the
   * admission calls runs in its context. `run` must call the function that it receives with the verdict.
   */
  abstract attempt(attempt: TracedAttempt, run: (ended: EndAttempt) => void): void;
  /** Begins a span, and returns the function that ends it. */
  abstract begin(name: 'websocket.reaper'): (attributes: Readonly<Record<string, number>>) => void;
}

/** Where a class is made without the module. */
export const NO_TRACING: Tracing = {
  isOn: false,
  attempt: (_attempt, run) => run(() => undefined),
  begin: () => () => undefined,
};
