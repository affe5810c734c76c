import { z } from 'zod';

import { TRANSPORT_NAMES } from '../connection/transport.js';
import { isAddressOrCidr, oneOf, parameter } from './query-parameter.js';

/** Represents all `label.<key>=<value>`, as one object of keys and values. */
export const LABELS = 'label.<key>';
/** `__proto__` is not a usable key of an object, so it remains an unknown parameter. */
const LABEL_PARAMETER = /^label\.(?!__proto__$)(.+)$/s;

/** A text that may be left out. */
export function text(description: string) {
  return parameter(z.string()).optional().meta({ description });
}

/** The filters of connections by their attributes. */
export function userParameter() {
  return text('The id of the user.');
}

export function addressParameter() {
  const schema = z
    .string()
    .refine(isAddressOrCidr, 'must be an IP address, or a CIDR such as 10.0.0.0/8 or 2001:db8::/32');
  return parameter(schema).optional().meta({ description: 'An address, or a CIDR such as `10.0.0.0/8`.' });
}

export function pathParameter() {
  return text('The path of the gateway.');
}

export function transportParameter() {
  return oneOf(TRANSPORT_NAMES)
    .optional()
    .meta({ description: 'How the connection came; `other`: a server of the application.' });
}

export function labelParameters() {
  return z
    .record(z.string(), parameter(z.string()))
    .optional()
    .meta({ description: 'The connection has this label with this value.' });
}

/** `label.a=1&label.b=2` as one object, so that a schema has a fixed list of parameters. */
export function gatherLabels(query: unknown): unknown {
  const entries = Object.entries(query ?? {});
  const labels = entries.flatMap(([name, value]) => {
    const key = LABEL_PARAMETER.exec(name)?.[1];
    return key === undefined ? [] : [[key, value]];
  });
  const others = entries.filter(([name]) => !LABEL_PARAMETER.test(name));
  return Object.fromEntries(labels.length === 0 ? others : [...others, [LABELS, Object.fromEntries(labels)]]);
}
