/**
 * The parameters of a path pattern, decoded: a text for `:name`, a list of segments for `*name`. The object has no prototype and is frozen.
 */
export type PathParams = Readonly<Record<string, string | readonly string[]>>;

/** The parameters of a path without any; one object for all connections. */
export const NO_PARAMS: PathParams = Object.freeze(Object.create(null) as PathParams);
