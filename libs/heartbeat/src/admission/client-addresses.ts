import type { IncomingMessage } from 'node:http';

import { Inject, Injectable } from '@nestjs/common';

import type { ResolvedOptions } from '../heartbeat.options.js';
import { HEARTBEAT_OPTIONS } from '../heartbeat.tokens.js';
import { networkMatcher } from '../network-address.js';
import { clientAddress, type IsTrusted } from './client-address.js';

/** Whose request this is, behind the proxies that the option `trustedProxies` names. */
@Injectable()
export class ClientAddresses {
  readonly #isTrusted: IsTrusted;

  constructor(@Inject(HEARTBEAT_OPTIONS) { trustedProxies }: ResolvedOptions) {
    this.#isTrusted = networkMatcher(trustedProxies);
  }

  of(request: IncomingMessage): string {
    return clientAddress(request, this.#isTrusted);
  }
}
