/** The version of this package. Written here, because after a build nobody knows where its package.json is; a test compares the two. */
export const VERSION = '0.1.0';
