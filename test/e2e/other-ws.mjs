/** Lets a process use another `ws` than the project's: the one in the folder that `WS_FOLDER` names. */
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// Node runs these hooks in a thread of their own, which reads this file once more.
if (isMainThread) register(import.meta.url);

export async function resolve(specifier, context, nextResolve) {
  if (specifier !== 'ws') return nextResolve(specifier, context);
  return { url: pathToFileURL(`${process.env.WS_FOLDER}/wrapper.mjs`).href, shortCircuit: true };
}
