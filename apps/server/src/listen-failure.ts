import { once } from 'node:events';
import { createServer } from 'node:net';

/** The meaning of each error of `listen`, and its remedy. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use: end the program that has it, or set PORT to another one (0 takes any that is free)',
  EACCES: 'this user may not take the port: set PORT to one above 1023',
  EADDRNOTAVAIL:
    'this machine has no such address: set HOST to one that it has (127.0.0.1 for this machine only, 0.0.0.0 for all)',
  ENOTFOUND: 'this name has no address: set HOST to an address (127.0.0.1 for this machine only, 0.0.0.0 for all)',
};

/** The address cannot be listened on; the message has the reason and the variable to change. */
export class ListenError extends Error {
  override readonly name = 'ListenError';

  /** @param code That of the system, such as `EADDRINUSE`. */
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

/**
 * Takes the address and gives it back, before anything else is started: so a failure is one line, and not preceded by that of
 * a whole start.
 * @param variable The variable that names the port.
 * @throws ListenError
 */
export async function assertCanListen(host: string, port: number, variable = 'PORT'): Promise<void> {
  const server = createServer();
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    throw explained(error, host, port, variable);
  }
  server.close();
  await once(server, 'close');
}

function explained(error: unknown, host: string, port: number, variable: string): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  const explanation = EXPLANATIONS[code === 'EAI_AGAIN' ? 'ENOTFOUND' : code];
  if (explanation === undefined) return error;
  return new ListenError(
    `The server cannot listen on ${host}, port ${port} (${code}): ${explanation.replace('PORT', variable)}.`,
    code,
  );
}
