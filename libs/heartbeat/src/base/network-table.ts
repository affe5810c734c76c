import { ipv4Bits, ipv6Groups, type Ipv6Groups, masked, type NetworkBits } from './address-bits.js';

/**
 * Items by network, found by an address. There is one table for each prefix length. A lookup costs one comparison for each length in use,
 * independent of the number of networks. A change touches one entry.
 */
export class NetworkTable<Item> {
  readonly #ipv4 = new Map<number, Map<number | string, Item>>();
  readonly #ipv6 = new Map<number, Map<number | string, Item>>();

  get isEmpty(): boolean {
    return this.#ipv4.size === 0 && this.#ipv6.size === 0;
  }

  get(network: NetworkBits): Item | undefined {
    return this.#tables(network.family).get(network.prefix)?.get(keyOf(network));
  }

  /** Replaces the item of the network. */
  set(network: NetworkBits, item: Item): void {
    const tables = this.#tables(network.family);
    let table = tables.get(network.prefix);
    if (table === undefined) tables.set(network.prefix, (table = new Map()));
    table.set(keyOf(network), item);
  }

  delete(network: NetworkBits): void {
    const tables = this.#tables(network.family);
    const table = tables.get(network.prefix);
    table?.delete(keyOf(network));
    if (table?.size === 0) tables.delete(network.prefix);
  }

  /** An item that `accept` returns true for, of a network that contains `address`. Returns undefined for a text that is not an address. */
  find(address: string, accept: (item: Item) => boolean = () => true): Item | undefined {
    if (this.isEmpty) return undefined;
    const groups = ipv4Bits(address) ?? ipv6Groups(address);
    if (groups === null) return undefined;
    for (const [prefix, table] of typeof groups === 'number' ? this.#ipv4 : this.#ipv6) {
      const item = table.get(typeof groups === 'number' ? masked(groups, prefix) : ipv6Key(groups, prefix));
      if (item !== undefined && accept(item)) return item;
    }
    return undefined;
  }

  #tables(family: 4 | 6): Map<number, Map<number | string, Item>> {
    return family === 4 ? this.#ipv4 : this.#ipv6;
  }
}

/**
 * A key that is the same for all spellings of an address: the bits of IPv4, a text for IPv6. Returns null for a text that is not an
 * address.
 */
export function addressKey(address: string): number | string | null {
  const groups = ipv4Bits(address) ?? ipv6Groups(address);
  return groups === null || typeof groups === 'number' ? groups : ipv6Key(groups, 128);
}

function keyOf({ groups, prefix }: NetworkBits): number | string {
  const [a = 0, b, c = 0, d = 0] = groups;
  return b === undefined ? a : ipv6Key([a, b, c, d], prefix);
}

function ipv6Key(groups: Ipv6Groups, prefix: number): string {
  const a = masked(groups[0], prefix);
  const b = masked(groups[1], prefix - 32);
  const c = masked(groups[2], prefix - 64);
  const d = masked(groups[3], prefix - 96);
  // The conversion keeps the lower 16 bits of each.
  return String.fromCharCode(a >>> 16, a, b >>> 16, b, c >>> 16, c, d >>> 16, d);
}
