import type { IncomingMessage } from 'node:http';

import type { NodeState } from '../node/node-state.js';
import { UNIX_PEER } from '../base/network-address.js';
import { hasProxyHeader } from './client-address.js';
import type { ClientAddresses } from './client-addresses.js';

/** Records signs of proxies in requests for the doctor. Warns once where limits by address count all clients of a proxy as one. */
export class ProxyNotes {
  #warned = false;

  constructor(
    private readonly node: NodeState,
    private readonly addresses: ClientAddresses,
  ) {}

  /** Refuses no client. */
  note(request: IncomingMessage): null {
    const { maxPerIp, upgradesPerSecondPerIp } = this.node.limits;
    const { trustedProxies } = this.node.options;
    const isUnix = this.addresses.peerOf(request) === UNIX_PEER;
    this.node.unixPeerSeen ||= isUnix;
    this.node.proxyHeaderSeen ||= hasProxyHeader(request);
    if (this.#warned || (maxPerIp === 0 && upgradesPerSecondPerIp === 0)) return null;
    if (isUnix ? trustedProxies.includes(UNIX_PEER) : trustedProxies.length > 0 || !hasProxyHeader(request))
      return null;
    this.#warned = true;
    const seen = isUnix
      ? `a client came through a Unix socket, but trustedProxies lacks "${UNIX_PEER}": limits by address count all clients of that socket as one`
      : 'a proxy header was seen, but trustedProxies is empty: limits by address count all clients of a proxy as one';
    const remedy = isUnix ? `Add "${UNIX_PEER}"` : "Add the proxy's address or CIDR";
    this.node.log.warn('limits by address behind a proxy', `${seen}. ${remedy} to trustedProxies (TRUSTED_PROXIES).`);
    return null;
  }
}
