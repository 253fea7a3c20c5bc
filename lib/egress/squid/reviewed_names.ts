/** Headers that carry credentials: none of them but the placeholder's own reaches a host with an injected secret. */
export const CREDENTIAL_HEADERS: readonly string[] = [
  // Of every server.
  ...["Authorization", "Proxy-Authorization", "Authentication", "Cookie", "Cookie2", "Dpop"],
  ...["Auth", "Auth-Token", "X-Auth", "X-Auth-Token", "X-Auth-Key", "X-Auth-User", "X-Authorization"],
  ...["X-Forwarded-Authorization", "X-Original-Authorization", "X-Forwarded-Access-Token"],
  ...["X-Amzn-Authorization", "X-Serverless-Authorization", "X-Amz-Security-Token", "X-Ms-Token"],
  ...["Api-Key", "ApiKey", "X-Api-Key", "X-ApiKey", "X-Api-Secret", "X-Api-Token", "X-Api-Auth", "Api-Token"],
  ...[
    "Token",
    "X-Token",
    "Access-Token",
    "X-Access-Token",
    "X-Session-Token",
    "X-User-Token",
    "Session-Token",
  ],
  ...[
    "Key",
    "X-Key",
    "X-Access-Key",
    "X-Secret",
    "X-Secret-Key",
    "Secret",
    "Password",
    "X-Password",
    "X-Jwt",
  ],
  ...[
    "X-Client-Secret",
    "X-Auth-Secret",
    "X-Secret-Token",
    "X-Service-Token",
    "X-Bearer-Token",
    "X-Id-Token",
  ],
  // Of well-known services.
  ...["X-Goog-Api-Key", "X-Goog-Iam-Authorization-Token", "X-Functions-Key", "Ocp-Apim-Subscription-Key"],
  ...["Private-Token", "Job-Token", "Deploy-Token", "X-Gitlab-Token", "X-Github-Token", "Circle-Token"],
  ...["X-JFrog-Art-Api", "X-NuGet-ApiKey", "X-Vault-Token", "X-Consul-Token", "X-Nomad-Token", "Npm-Otp"],
  ...["DD-API-KEY", "DD-APPLICATION-KEY", "X-Sentry-Auth", "X-Honeycomb-Team", "X-Rollbar-Access-Token"],
  ...["X-Shopify-Access-Token", "X-Figma-Token", "X-Plex-Token", "X-TrackerToken", "X-Redmine-API-Key"],
  ...["X-Postmark-Server-Token", "X-Postmark-Account-Token", "X-Algolia-API-Key", "X-Subscription-Token"],
  ...["X-RapidAPI-Key", "Xi-Api-Key", "Fastly-Key", "X-Atlassian-Token", "X-Typesense-Api-Key", "X-Mapi-Key"],
];

/** Parameters of a query that carry credentials; `-`, `.`, space and `_` count for nothing, nor does `$` before them. */
export const CREDENTIAL_QUERIES: readonly string[] = [
  ...["access_token", "access_key", "api_key", "api_token", "auth", "auth_token"],
  ...["authorization", "client_secret", "credential", "job_token", "jwt", "key", "oauth_token"],
  ...["password", "passwd", "private_token", "secret", "session_token", "sig", "signature", "token"],
  ...["id_token", "refresh_token", "x_api_key", "x_amz_credential", "x_amz_security_token"],
  ...["x_amz_signature", "x_goog_credential", "x_goog_signature", "subscription_key", "sas_token"],
  ...[
    "app_token",
    "bearer_token",
    "personal_access_token",
    "secret_key",
    "api_secret",
    "auth_key",
    "user_key",
  ],
  ...["app_key", "consumer_key", "hapikey", "x_auth_token", "session_key", "user_token"],
  // Google's servers read it as headers.
  "httpheaders",
];

/**
 * Headers, and parameters of a query, by which servers and what stands before them take another method, path or host
 * than the request's own: what the rules have judged would not be what is done.
 */
export const OVERRIDES: readonly string[] = [
  ...["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Method", "_method", "httpMethod"],
  ...["X-Original-URL", "X-Original-URI", "X-Original-Path", "X-Rewrite-URL", "X-Override-URL"],
  ...["X-Forwarded-URI", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Forwarded-Method", "X-Original-Method"],
  ...["X-Envoy-Original-Path", "X-Envoy-Original-Method", "X-Forwarded-Host", "X-Forwarded-Server"],
  ...["Forwarded", "X-Host", "X-Original-Host", "X-HTTP-Host-Override", "X-Real-Host"],
  // What is stored comes from another place, which only the header says.
  ...["X-Amz-Copy-Source", "X-Goog-Copy-Source", "X-Ms-Copy-Source", "X-Copy-From"],
];

/** What servers that read `_` as `-` could take for a message's length. */
export const LENGTHS: readonly string[] = ["Content_Length", "Transfer_Encoding"];

/** Names what is spoken after an upgrade, and at some services a key as well. */
export const SUBPROTOCOL = "Sec-WebSocket-Protocol";

/** What servers that read `_` as `-` take for the same header; not every mixture of a long one. */
export function spellings(name: string): readonly string[] {
  const parts = name.split(/[-_]/);
  if (name.startsWith("_")) return [name];
  if (parts.length > 3) return [...new Set([name, parts.join("-"), parts.join("_")])];
  const mixtures = parts.slice(1).reduce(
    (begun: readonly string[], part) => begun.flatMap((text) => [`${text}-${part}`, `${text}_${part}`]),
    [parts[0] ?? ""],
  );
  return [...new Set([name, ...mixtures])];
}
