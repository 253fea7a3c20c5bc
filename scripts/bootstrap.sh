#!/bin/sh
# Gets this machine ready and runs what is asked: see usage below. Everything said goes to stderr.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
tools="$root/.tools"
base_image="${CLAUDE_BOTTLE_BASE_IMAGE:-debian:trixie-slim}"

. "$root/scripts/setup.sh"
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
