/** What Claude Code asks of api.anthropic.com, each with its reason. */
export const ANTHROPIC_RULES: readonly string[] = [
  // Every answer of the model.
  "POST /v1/messages",
  // How much of the context is used.
  "POST /v1/messages/count_tokens",
  // Which models there are.
  "GET /v1/models",
];
