import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ports that Linux gives to outgoing connections, thousands of which a test may have open: none is taken by chance. */
const LOWEST = 10_100;
const HIGHEST = 32_000;
/** Ports that this process has returned: their server has perhaps not begun to listen yet. */
const given = new Set<number>();

/** A port without a listener. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, () => resolve(true));
  });
  if (isListening) await new Promise(resolve => server.close(resolve));
  return isListening;
}
