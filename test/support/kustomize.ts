/** The manifests of deploy/kubernetes, built like `kubectl kustomize` builds them from the fields that they use. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { read, ROOT } from './documents.js';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Labels };
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape depends on the kind, and is what a test checks
  readonly spec: any;
}

export type Labels = Readonly<Record<string, string>>;

export interface Kustomization {
  readonly resources: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
  readonly images?: readonly { readonly name: string; readonly newTag: string }[];
  readonly nameSuffix?: string;
}

/** The fields that {@link build} applies; another one would be applied by kubectl alone. */
const FIELDS = new Set(['apiVersion', 'kind', 'resources', 'patches', 'images', 'nameSuffix']);

/** The names of the files in a folder. */
export function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ name }) => name);
}

/** @throws Error for a field that {@link build} does not apply. */
export function readKustomization(folder: string): Kustomization {
  const kustomization = parse(read(`${folder}/kustomization.yaml`)) as Kustomization;
  const unknown = Object.keys(kustomization).filter(field => !FIELDS.has(field));
  if (unknown.length > 0) throw new Error(`${folder} has fields that this test does not apply: ${unknown.join(', ')}`);
  return kustomization;
}

/** The manifests of a kustomization. */
export function build(folder: string): Manifest[] {
  const { resources, patches = [], images = [], nameSuffix = '' } = readKustomization(folder);
  const tags = new Map(images.map(({ name, newTag }) => [name, newTag]));
  const merged = patches
    .flatMap(({ path }) => manifestsOf(`${folder}/${path}`))
    .reduce(
      patched,
      resources.flatMap(resource => manifestsIn(join(folder, resource))),
    );
  return merged.map(manifest => ({
    ...(withTags(manifest, tags) as Manifest),
    metadata: { ...manifest.metadata, name: `${manifest.metadata.name}${nameSuffix}` },
  }));
}

function manifestsIn(resource: string): Manifest[] {
  return resource.endsWith('.yaml') ? manifestsOf(resource) : build(resource);
}

function manifestsOf(path: string): Manifest[] {
  return parseAllDocuments(read(path)).map(document => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return document.toJS() as Manifest;
  });
}

/** A strategic merge patch of maps. @throws Error where no manifest has its kind and name. */
function patched(manifests: readonly Manifest[], patch: Manifest): Manifest[] {
  const isTarget = ({ kind, metadata }: Manifest) => kind === patch.kind && metadata.name === patch.metadata.name;
  if (!manifests.some(isTarget)) throw new Error(`no ${patch.kind} is called ${patch.metadata.name}`);
  return manifests.map(manifest => (isTarget(manifest) ? (merge(manifest, patch) as Manifest) : manifest));
}

function merge(value: unknown, patch: unknown): unknown {
  if (!isMap(value) || !isMap(patch)) return patch;
  const entries = Object.entries(patch).map(([key, own]) => [key, key in value ? merge(value[key], own) : own]);
  return { ...value, ...Object.fromEntries(entries) };
}

/** The same manifest, with the tag of each image that has one. */
function withTags(value: unknown, tags: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map(item => withTags(item, tags));
  if (!isMap(value)) return value;
  const entries = Object.entries(value).map(([key, own]) => {
    const tag = key === 'image' ? tags.get(String(own)) : undefined;
    return [key, tag === undefined ? withTags(own, tags) : `${String(own)}:${tag}`];
  });
  return Object.fromEntries(entries);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
