import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** How long npm may take, and how often it is asked. */
const INSTALL_MS = 60_000;
const TRIES = 2;
/** How long {@link installWs} takes at most. */
export const INSTALL_WS_MS = TRIES * INSTALL_MS + 5000;

/** Installs another version of `ws` into a folder: a copy of its own, beside the project's. Returns the folder of the package. */
export async function installWs(version: string, folder: string): Promise<string> {
  const words = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, `ws@${version}`];
  for (let turn = 1; ; turn++) {
    try {
      await promisify(execFile)('npm', words, { cwd: folder, timeout: INSTALL_MS });
      return `${folder}/node_modules/ws`;
    } catch (error) {
      if (turn < TRIES) continue;
      // Where nothing can be tried nothing is proved.
      const remedy = `see why by npm install --no-save --prefix "$(mktemp -d)" ws@${version}`;
      throw new Error(`ws ${version} could not be had in ${TRIES} tries: ${remedy}`, { cause: error });
    }
  }
}
