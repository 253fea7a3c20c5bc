# What the set-up scripts share: saying, failing, installing packages, one at a time. Sourced by them; needs `tools`.

say() { printf '%s\n' "set-up: $*" >&2; }

# fail MESSAGE [HINT…]: each hint names a next step.
fail() {
  printf '\n%s\n' "error: $1" >&2
  shift
  for hint in "$@"; do printf '%s\n' "hint: $hint" >&2; done
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }
is_debian_family() { have apt-get && have dpkg && [ "$(uname -s)" = Linux ]; }

# within SECONDS COMMAND…: where `timeout` is missing (macOS), without a deadline.
within() {
  if have timeout; then timeout "$@"; else shift && "$@"; fi
}

# quietly COMMAND…: its output is shown only when it fails. Without our lock (9), which a service that it starts would keep.
quietly() {
  output=$("$@" 2>&1 </dev/null 9>&-) && return 0
  printf '%s\n' "$output" | tail -n 15 | sed 's/^/  /' >&2
  return 1
}

# apt_install PACKAGE…: as root on Debian and Ubuntu, without recommended packages.
apt_install() {
  say "installing Debian packages: $*"
  quietly apt_get update || say "the package lists could not be refreshed; trying with those at hand"
  quietly apt_get install --yes --no-install-recommends "$@" ||
    fail "apt-get could not install: $*" "Repair what apt-get says above, then run this again"
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get --quiet -o DPkg::Lock::Timeout=300 "$@"; }

# One set-up at a time: on the machine as root, in the checkout otherwise. Held by file descriptor 9.
lock() {
  mkdir -p "$tools"
  have flock || return 0
  if is_root && [ -d /run ]; then exec 9>/run/claude-bottle-setup.lock; else exec 9>"$tools/setup.lock"; fi
  flock -n 9 && return 0
  say "waiting for another set-up on this machine"
  flock -w 1200 9 || fail "Another set-up has been running for 20 minutes" "Look for it with \`ps\`, then run this again"
}

unlock() { exec 9>&-; }
