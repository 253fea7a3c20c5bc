# Deno: on PATH, in .tools/, or fetched into .tools/. Sourced by bootstrap.sh; sets `deno`.

deno_version=2.9.6

setup_deno() {
  deno=$(command -v deno || true)
  if ! is_recent_deno "$deno"; then
    deno="$tools/bin/deno"
    is_recent_deno "$deno" || fetch_deno
  fi
  # Tests and the demo start Deno by its name as well.
  PATH="$(dirname "$deno"):$PATH"
  export PATH
  phase_detail="$("$deno" --version | head -n 1) ($deno)"
}

# 2.9 or newer, below 3: found out by running it.
is_recent_deno() {
  [ -n "$1" ] && [ -x "$1" ] || return 1
  found=$("$1" --version 2>/dev/null | sed -n '1s/^deno \([0-9]*\.[0-9]*\).*/\1/p')
  case $found in
    2.9 | 2.[1-9][0-9] | 2.[1-9][0-9][0-9]) return 0 ;;
    *) return 1 ;;
  esac
}

fetch_deno() {
  say "no Deno 2.9 or newer on PATH: fetching $deno_version into .tools/"
  rm -rf "$tools/fetch"
  mkdir -p "$tools/fetch" "$tools/bin"
  deno_from_npm || deno_from_pypi || deno_from_installer || deno_from_apt_and_pypi || no_deno
  rm -rf "$tools/fetch"
}

no_deno() {
  rm -rf "$tools/fetch"
  fail "Deno 2.9 or newer is missing and could not be fetched" \
    "Install it with \`npm install -g deno\`, \`pip install deno\`, \`brew install deno\` or https://docs.deno.com/runtime/getting_started/installation" \
    "Then run this again"
}

# The package with the program alone, without the wrapper that downloads and starts it.
npm_platform() {
  case "$(uname -s) $(uname -m)" in
    'Linux x86_64') echo linux-x64-glibc ;;
    'Linux aarch64' | 'Linux arm64') echo linux-arm64-glibc ;;
    'Darwin x86_64') echo darwin-x64 ;;
    'Darwin arm64') echo darwin-arm64 ;;
    *) return 1 ;;
  esac
}

deno_from_npm() {
  have npm || return 1
  platform=$(npm_platform) || return 1
  say "taking it from npm: @deno/$platform"
  quietly npm install --ignore-scripts --no-save --no-audit --no-fund --prefix "$tools/fetch/npm" \
    "@deno/$platform@$deno_version" || return 1
  keep_deno "$tools/fetch/npm/node_modules/@deno/$platform/deno"
}

deno_from_pypi() {
  if have python3 && python3 -m pip --version >/dev/null 2>&1; then
    say "taking it from PyPI: deno"
    for wanted in "deno==$deno_version" 'deno>=2.9.6,<3'; do
      quietly python3 -m pip install --target "$tools/fetch/pypi" --no-deps --only-binary :all: \
        --no-cache-dir --disable-pip-version-check "$wanted" || continue
      keep_deno "$tools/fetch/pypi/bin/deno" && return 0
    done
  fi
  return 1
}

deno_from_installer() {
  have curl && have unzip || return 1
  say "taking it from Deno's own installer"
  quietly curl -fsSL --connect-timeout 10 --max-time 60 -o "$tools/fetch/install.sh" \
    https://deno.land/install.sh || return 1
  DENO_INSTALL="$tools/fetch/own" quietly within 300 sh "$tools/fetch/install.sh" "v$deno_version" -y --no-modify-path ||
    return 1
  keep_deno "$tools/fetch/own/bin/deno"
}

# pip is by far the lighter of the two package clients: npm is several hundred Debian packages.
deno_from_apt_and_pypi() {
  is_root && is_debian_family || return 1
  say "neither npm nor pip is here; pip is the lighter one"
  apt_install python3-pip ca-certificates
  deno_from_pypi
}

# keep_deno FILE: verified by running it, then moved to its place in one step.
keep_deno() {
  is_recent_deno "$1" || return 1
  mv -f "$1" "$tools/bin/deno"
}

# The npm packages of the lock file; afterwards nothing here needs a network but image builds.
setup_packages() {
  if ! within 300 env DENO_TLS_CA_STORE="${DENO_TLS_CA_STORE:-mozilla,system}" \
    "$deno" install --quiet --frozen --config "$root/deno.json" </dev/null >&2; then
    fail "The packages of deno.lock could not be fetched" \
      "Check the connection to the npm registry, or set NPM_CONFIG_REGISTRY to your mirror of it" \
      "Behind a company proxy that opens TLS, set DENO_CERT to its CA file"
  fi
  phase_detail="those of deno.lock"
}
