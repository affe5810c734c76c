import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import { VERSION } from 'nestjs-heartbeat/tooling';

/** The context of the audit trail, whose entries are fields here. */
const AUDIT = 'HeartbeatAudit';
/** The context under which Nest writes an error of a start that it also throws. */
const NEST_FAILURE = 'ExceptionHandler';
/** Characters that a terminal may take for a command, or for the end of a line, although JSON allows them. */
const UNSAFE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Nest's lines of JSON, each with its node and version, and with the fields of an audit entry beside its own. */
export class JsonLogger extends ConsoleLogger {
  /** While true, an error that Nest both writes and throws is not written: the program that catches it writes it. */
  isStarting = true;

  /**
   * @param level The lowest level that is written.
   * @param node Id of the node; its name before the id is known, null before the name is known.
   */
  constructor(
    level: LogLevel,
    public node: string | null,
  ) {
    super({ json: true, flattenParams: true, logLevels: [level], colors: false });
  }

  protected override printMessages(...args: Parameters<ConsoleLogger['printMessages']>): void {
    if (this.isStarting && args[1] === NEST_FAILURE) return;
    super.printMessages(...args);
  }

  protected override getJsonLogObject(
    message: unknown,
    options: Parameters<ConsoleLogger['getJsonLogObject']>[1],
  ): ReturnType<ConsoleLogger['getJsonLogObject']> {
    const node = this.node === null ? {} : { node: this.node };
    const line = { ...super.getJsonLogObject(message, options), ...node, version: VERSION };
    if (options.context !== AUDIT || typeof message !== 'object' || message === null) return line;
    const { who: actor, what: action, ...fields }: Partial<Record<string, unknown>> = { ...message };
    const { target, result } = fields;
    const text = `${String(action)} of ${String(target)} by ${String(actor)}: ${String(result)}`;
    return { actor, action, ...fields, ...line, message: text };
  }

  protected override stringifyJsonLogObject(logObject: Record<string, unknown>): string {
    return super
      .stringifyJsonLogObject(logObject)
      .replaceAll(UNSAFE, unsafe => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`);
  }
}
