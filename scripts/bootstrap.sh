#!/bin/sh
# Gets this machine ready and runs what is asked: see usage below. Everything said goes to stderr.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
tools="$root/.tools"
base_image="${CLAUDE_BOTTLE_BASE_IMAGE:-debian:trixie-slim}"

. "$root/scripts/deno.sh"
. "$root/scripts/engine.sh"
. "$root/scripts/base_image.sh"
. "$root/scripts/gvisor.sh"

usage() {
  cat >&2 <<'END'
usage: sh scripts/bootstrap.sh demo|test|install|deno|engine|images [ARGS…]

  demo    get everything that is needed, then run the demo (ARGS go to it)
  test    get everything that is needed, then run every check and test (ARGS go to scripts/ci.ts)
  install put `claude-bottle` into ~/.local/bin, or into the folder that is named
  deno    get Deno and the packages of the lock file
  engine  get Deno and an answering engine
  images  get Deno, the engine and the images (ARGS go to `claude-bottle build`)
END
  exit 2
}

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

tenths() {
  stamp=$(date +%s%1N 2>/dev/null) || stamp=x
  case $stamp in
    *[!0-9]*) echo "$(date +%s)0" ;;
    *) echo "$stamp" ;;
  esac
}

# phase NAME COMMAND…: runs it in this shell and says how long it took.
phase() {
  phase_name=$1
  shift
  phase_detail=ready
  phase_start=$(tenths)
  "$@"
  phase_took=$(($(tenths) - phase_start))
  say "$(printf '%-10s %3d.%d s  %s' "$phase_name" $((phase_took / 10)) $((phase_took % 10)) "$phase_detail")"
}

# Programs that tests use beside the product: a terminal, ssh's own tools, git.
setup_test_programs() {
  if is_root && is_debian_family; then
    if ! have tmux; then apt_install tmux; fi
    if ! have ssh-agent; then apt_install openssh-client; fi
    if ! have git; then apt_install git; fi
  fi
  missing=
  for program in tmux ssh-agent git; do
    if ! have "$program"; then missing="$missing $program"; fi
  done
  phase_detail=${missing:+"not there:$missing; the tests that need them are counted as skipped"}
  phase_detail=${phase_detail:-"tmux, ssh-agent, git"}
}

# quoted WORD: as one word of a shell script, whatever is in it.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

# install_launcher FOLDER: a command of two lines that runs this checkout.
install_launcher() {
  launcher="$1/claude-bottle"
  if [ -e "$launcher" ] && ! grep -qs '^# claude-bottle from a checkout$' "$launcher"; then
    fail "$launcher is there and was not put there by this script" "Remove it, or name another folder"
  fi
  mkdir -p "$1"
  cat >"$launcher" <<END
#!/bin/sh
# claude-bottle from a checkout
exec $(quoted "$deno") run -P --no-prompt --quiet $(quoted "$root/main.ts") "\$@"
END
  chmod 755 "$launcher"
  say "wrote $launcher"
  case ":$PATH:" in *":$1:"*) ;; *) say "$1 is not on PATH: add it there, or call $launcher" ;; esac
}

main() {
  [ $# -gt 0 ] || usage
  task=$1
  shift
  if [ "${1:-}" = -- ]; then shift; fi
  case $task in demo | test | install | deno | engine | images) ;; *) usage ;; esac

  lock
  phase deno setup_deno
  phase packages setup_packages
  case $task in demo | test | engine | images) phase engine setup_engine ;; esac
  case $task in demo | test | images) phase base setup_base_image ;; esac
  case $task in test) phase gvisor setup_gvisor && phase programs setup_test_programs ;; esac
  unlock

  case $task in
    demo) exec "$deno" run -P --no-prompt --quiet "$root/main.ts" start demo "$@" ;;
    test) cd "$root" && exec "$deno" run -P=project --no-prompt --quiet scripts/ci.ts "$@" ;;
    install) install_launcher "${1:-$HOME/.local/bin}" ;;
    images) exec "$deno" run -P --no-prompt --quiet "$root/main.ts" build "$@" ;;
  esac
}

main "$@"
