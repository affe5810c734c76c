import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Attributes, ProxyTracerProvider, Span, Tracer } from '@opentelemetry/api';
import type { Subscription } from 'rxjs';

import { VERSION } from '../base/version.js';
import { ClientAddresses } from '../admission/client-addresses.js';
import { HeartbeatEvents, type HeartbeatEventOf } from '../connection/heartbeat.events.js';
import { type EndAttempt, type TracedAttempt, Tracing } from '../node/tracing.js';
import { OPEN_TELEMETRY, type OpenTelemetry } from './open-telemetry.js';

const NAME = 'nestjs-heartbeat';
/** Longest user agent in a span, in characters. */
const MAX_USER_AGENT = 256;
/** The status of an attempt whose client left before the verdict, as nginx counts it. */
const CLIENT_LEFT = 499;
const SERVER_ERROR = 500;

/**
 * Spans by OpenTelemetry: `websocket.upgrade`, `websocket.kick`, `websocket.drain` and `websocket.reaper`. A tracer that the application
 * registers later is used from then on.
 */
@Injectable()
export class OtelTracing extends Tracing implements OnApplicationShutdown {
  readonly #subscription: Subscription;
  #tracer: Tracer | undefined;
  /** The span of the drain that runs. */
  #drain: Span | undefined;

  constructor(
    @Inject(OPEN_TELEMETRY) private readonly api: OpenTelemetry | null,
    private readonly addresses: ClientAddresses,
    events: HeartbeatEvents,
  ) {
    super();
    this.#subscription = events
      .ofType('kicked', 'drain-started', 'drain-aborted', 'drain-ended')
      .subscribe(event => this.#take(event));
  }

  onApplicationShutdown(): void {
    this.#subscription.unsubscribe();
    this.#drain?.end();
  }

  get isOn(): boolean {
    if (this.#tracer !== undefined || this.api === null) return this.#tracer !== undefined;
    // Undefined until the application has registered a provider.
    const provider = this.api.trace.getTracerProvider() as Partial<ProxyTracerProvider>;
    this.#tracer = provider.getDelegateTracer
      ? provider.getDelegateTracer(NAME, VERSION)
      : this.api.trace.getTracer(NAME, VERSION);
    return this.#tracer !== undefined;
  }

  attempt(attempt: TracedAttempt, run: (ended: EndAttempt) => void): void {
    const { request } = attempt;
    const { context, propagation, SpanKind, SpanStatusCode, trace } = this.api!;
    const { 'user-agent': userAgent, host } = request.headers;
    const attributes: Attributes = {
      'http.request.method': request.method ?? '',
      // Without the query, which may hold a token.
      'url.path': request.url?.split('?', 1)[0] ?? '',
      'client.address': this.addresses.of(request),
      ...(host !== undefined && { 'server.address': host }),
      ...(userAgent !== undefined && { 'user_agent.original': userAgent.slice(0, MAX_USER_AGENT) }),
    };
    const parent = propagation.extract(context.active(), request.headers);
    const span = this.#tracer!.startSpan('websocket.upgrade', { kind: SpanKind.SERVER, attributes }, parent);
    let cancel: (() => void) | undefined;
    const ended: EndAttempt = verdict => {
      const { status = 101, reason } = verdict as { readonly status?: number; readonly reason?: string };
      span.setAttribute('http.response.status_code', status);
      if (reason !== undefined) span.setAttribute('nestjs_heartbeat.refused', reason);
      if (status >= SERVER_ERROR) span.setStatus({ code: SpanStatusCode.ERROR, message: reason ?? '' });
      span.end();
      cancel?.();
    };
    context.with(trace.setSpan(parent, span), () => run(ended));
    if (span.isRecording()) cancel = attempt.onGone(() => ended({ status: CLIENT_LEFT }));
  }

  begin(name: 'websocket.reaper'): (attributes: Readonly<Record<string, number>>) => void {
    const span = this.#tracer!.startSpan(name);
    return attributes => span.setAttributes(attributes).end();
  }

  #take(event: HeartbeatEventOf<'kicked' | 'drain-started' | 'drain-aborted' | 'drain-ended'>): void {
    if (!this.isOn) return;
    switch (event.type) {
      case 'kicked': {
        const { id, by, code } = event;
        const attributes = {
          'nestjs_heartbeat.connection': id,
          'nestjs_heartbeat.by': by,
          'websocket.close_code': code,
        };
        return this.#tracer!.startSpan('websocket.kick', { attributes }).end();
      }
      case 'drain-started': {
        const { connections, reason } = event;
        const attributes = { 'nestjs_heartbeat.connections': connections, 'nestjs_heartbeat.reason': reason };
        this.#drain = this.#tracer!.startSpan('websocket.drain', { attributes });
        return;
      }
      case 'drain-aborted':
        return this.#endDrain({ 'nestjs_heartbeat.aborted': true, 'nestjs_heartbeat.remaining': event.remaining });
      case 'drain-ended':
        this.#endDrain({ 'nestjs_heartbeat.total': event.total, 'nestjs_heartbeat.terminated': event.terminated });
    }
  }

  #endDrain(attributes: Attributes): void {
    this.#drain?.setAttributes(attributes).end();
    this.#drain = undefined;
  }
}
