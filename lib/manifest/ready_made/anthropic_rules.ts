/**
 * The requests to api.anthropic.com that Claude Code works with, each with its reason. Found by recording what
 * 2.1.330 asks of a scripted stand-in for that host, with the variables that a bottle sets: headless and on a terminal,
 * with a token and with a key, with tools, subagents, searches, a PDF, `/model`, `/context`, `/compact`, `/status` and
 * `--continue`. An account of another kind may be asked for more. With all of `/api/` and the counting refused by 403
 * it still answered.
 *
 * Left out; of these only what is said so was asked:
 * - `/v1/files`, `/v1/messages/batches`, `/v1/skills`, `/v1/sessions`, `/v1/environments`, `/v1/memory_stores`,
 *   `/api/frame/…`: what is stored there is fetched by whoever has the key, and a bottle has nothing to store.
 * - `/v1/organizations/…`, `/v1/code/…`, `/api/oauth/…`, `/api/claude_cli_profile`: the account itself, its members,
 *   keys, limits and sessions elsewhere. An agent has no business there, and nothing of it was asked.
 * - `/api/event_logging/…`, `/api/eval/…`, `/api/claude_cli/bootstrap`, `/api/directory/…`, `/api/artifacts/…`: usage
 *   figures, feature flags and extras, asked only without `CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC`, which we set.
 * - `/api/web/domain_info` (asked by WebFetch), `/api/hello`: they carry no credential, which alone has them refused
 *   where one is injected. The first asks whether a page may be fetched; in a bottle the allowlist says so.
 */
export const ANTHROPIC_RULES: readonly string[] = [
  // Every answer of the model, its subagents' and summaries; with `?beta=true`.
  "POST /v1/messages",
  // How full the context is: `/context`.
  "POST /v1/messages/count_tokens",
  // Which models there are. Not asked in any recording: it is for other programs that use an SDK.
  "GET /v1/models",
  // What an organization has decided for its members. Claude Code warns of each session without.
  "GET /api/claude_code/settings",
  // What an organization does not allow. WebFetch stays off until it is known.
  "GET /api/claude_code/policy_limits",
];
