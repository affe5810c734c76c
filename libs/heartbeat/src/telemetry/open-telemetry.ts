import { createRequire } from 'node:module';

/** The package of the interface. Its copies share one global state, so it does not matter which one the application uses. */
export type OpenTelemetry = typeof import('@opentelemetry/api');

/** The interface of OpenTelemetry, an optional peer; null where it is not installed. A fault in it is no absence. */
export function openTelemetry(load: (name: string) => unknown = createRequire(import.meta.url)): OpenTelemetry | null {
  try {
    return load('@opentelemetry/api') as OpenTelemetry;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

/** Injection token of {@link OpenTelemetry}, or null. */
export const OPEN_TELEMETRY = Symbol('OPEN_TELEMETRY');
