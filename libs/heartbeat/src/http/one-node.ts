import { HeartbeatError } from '../base/heartbeat.error.js';
import { notFound, silent } from './problem.exception.js';

/**
 * The id that a search for a node returned.
 * @throws ProblemException 404 without one, 504 `node-silent` where it is unknown.
 */
export async function existingNode(search: Promise<string | undefined>): Promise<string> {
  const id = await orSilent(search);
  if (id === undefined) throw notFound('There is no node with this id or name: it has ended, or never was.');
  return id;
}

/** @throws ProblemException 504 `node-silent` when the node does not reply. */
export async function orSilent<Answer>(answer: Promise<Answer>): Promise<Answer> {
  return answer.catch((error: unknown) => {
    const isSilent = error instanceof HeartbeatError && error.code === 'HEARTBEAT_NODE_SILENT';
    throw isSilent ? silent(error.message) : error;
  });
}
