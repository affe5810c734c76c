/** The version of this package. It is a constant, because the path of package.json is unknown after a build; a test compares the two. */
export const VERSION = '0.1.0';
