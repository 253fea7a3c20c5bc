/** How the manifest in the program is named where a file would be. */
export const BUILTIN_FILE = "built-in";

/** The manifest of those who have none: it goes the way of any other file. */
export const BUILTIN_MANIFEST = `# Used while there is no manifest.
bottles:
  default:
    egress: { proxy: squid }
agents:
  claude:
    bottle: default
`;
