/** Forms in which services give out tokens, and others that hold a password. */
const FORMS: readonly RegExp[] = [
  // GitHub, GitLab
  /\bgh[oprsu]_[A-Za-z0-9]{20,}/,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/,
  /\bgl[a-z]{2,6}-[A-Za-z0-9_-]{20,}/,
  // Anthropic, OpenAI, Hugging Face
  /\bsk-[A-Za-z0-9_-]{20,}/,
  /\bhf_[A-Za-z0-9]{20,}/,
  // Amazon, Google, DigitalOcean
  /\b(AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\bAIza[A-Za-z0-9_-]{35}/,
  /\bya29\.[A-Za-z0-9_-]{20,}/,
  /\bGOCSPX-[A-Za-z0-9_-]{20,}/,
  /\bdo[opr]_v1_[a-f0-9]{40,}/,
  // npm, PyPI, Stripe, Slack, SendGrid, Shopify, Linear, Tailscale, Vault
  /\bnpm_[A-Za-z0-9]{30,}/,
  /\bpypi-[A-Za-z0-9_-]{40,}/,
  /\b[rs]k_(live|test)_[A-Za-z0-9]{16,}/,
  /\bxox[a-z]-[A-Za-z0-9-]{10,}/,
  /\bxapp-[A-Za-z0-9-]{20,}/,
  /\bSG\.[A-Za-z0-9_-]{16,200}\.[A-Za-z0-9_-]{16,}/,
  /\bshp[a-z]{2}_[a-fA-F0-9]{32}/,
  /\blin_api_[A-Za-z0-9]{20,}/,
  /\btskey-[a-z]+-[A-Za-z0-9-]{10,}/,
  /\bhv[bs]\.[A-Za-z0-9_-]{20,}/,
  // A signed token, a private key, a URL with a password
  /\beyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,2000}\./,
  /-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----/,
  /\bAGE-SECRET-KEY-1[A-Z0-9]{20,}/,
  /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@]{0,200}:[^\s/@${]{1,200}@/,
];

/** Names of variables that hold secrets. */
const NAME = /(^|_)(TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRET_KEY|API_?KEY|ACCESS_KEY|PRIVATE_KEY)$/i;

/** Whether a text holds what looks like a token or password. */
export function looksSecret(text: string): boolean {
  return FORMS.some((form) => form.test(text));
}

/** Whether a variable of that name with that value is most likely a secret: a number, a word or two are none. */
export function looksSecretAs(name: string, value: string): boolean {
  return looksSecret(value) ||
    (NAME.test(name) && /^(?=.*\d|.*[^A-Za-z0-9_-])[^\s${]{8,}$/.test(value) && !/^\d+$/.test(value));
}
