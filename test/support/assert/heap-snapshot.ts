import { readFile } from 'node:fs/promises';

/** The parts of V8's snapshot format that are read here. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: { readonly node_fields: readonly string[]; readonly node_types: readonly [readonly string[]] };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** How many objects of each class a heap snapshot holds, by the class's name. */
export async function countObjects(file: string): Promise<ReadonlyMap<string, number>> {
  const { snapshot, nodes, strings } = JSON.parse(await readFile(file, 'utf8')) as Snapshot;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [typeAt, nameAt, object] = [fields.indexOf('type'), fields.indexOf('name'), types[0].indexOf('object')];
  const counts = new Map<string, number>();
  for (let node = 0; node < nodes.length; node += fields.length) {
    if (nodes[node + typeAt] !== object) continue;
    const name = strings[nodes[node + nameAt] ?? -1] ?? '';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
