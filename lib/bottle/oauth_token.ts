/** The variable that Claude Code takes its token from, and the host's that it is handed over from. */
export const OAUTH_TOKEN = {
  inBottle: "CLAUDE_CODE_OAUTH_TOKEN",
  onHost: "CLAUDE_BOTTLE_OAUTH_TOKEN",
} as const;
