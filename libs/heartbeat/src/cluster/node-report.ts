import { networkInterfaces } from 'node:os';

import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { VERSION } from '../base/version.js';
import { NodeState } from '../node/node-state.js';
import { Registry } from '../connection/registry.js';
import type { NodeDescription, NodeReporter } from '../messaging/cluster-node.js';

/** Describes this node to the others: its address and its load. */
@Injectable()
export class NodeReport implements NodeReporter {
  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  describe(): NodeDescription {
    const { name, draining, bootstrapped, load, intervalMs } = this.node;
    return {
      name,
      address: addressOf(this.adapterHost.httpAdapter?.getHttpServer()),
      version: VERSION,
      state: draining ? 'draining' : bootstrapped ? 'up' : 'starting',
      connections: this.registry.size,
      load: Math.round(load.ratio * 1000) / 1000,
      intervalMs,
    };
  }
}

/** The address of a server. For a server that listens on all addresses, the first one of the machine. */
function addressOf(server: unknown): string {
  const bound = (server as { address?(): unknown } | undefined)?.address?.() ?? null;
  const { address = '::', port } = Object(bound) as { address?: string; port?: number };
  const isAny = address === '::' || address === '0.0.0.0';
  const host = isAny ? (machineAddress() ?? '127.0.0.1') : address;
  const shown = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? shown : `${shown}:${port}`;
}

function machineAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
}
