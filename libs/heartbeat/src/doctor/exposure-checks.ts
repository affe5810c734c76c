import { networkMatcher, plainAddress } from '../network-address.js';
import type { Check } from './examination.js';
import { ok, trouble } from './finding.js';

const isLoopbackAddress = networkMatcher(['127.0.0.0/8', '::1']);

export const anonymousClients: Check = ({ options, listensOn = null }) => {
  const subject = {
    id: 'anonymous-clients',
    title: 'Identity of clients',
    why: 'Without authenticate every client that reaches the port is admitted as an anonymous client; bans and limits by user have no effect.',
  };
  if (options.authenticate !== undefined) return ok(subject, 'authenticate is set');
  if (listensOn === null) return ok(subject, 'authenticate is not set; the address of the server is unknown here');
  const evidence = `authenticate is not set; the server listens on ${listensOn}`;
  if (listensOn === 'localhost' || isLoopbackAddress(plainAddress(listensOn))) return ok(subject, evidence);
  return trouble('warn', subject, evidence, 'Set authenticate, or listen on 127.0.0.1 for this machine alone.');
};
