# gVisor for the engine tests: used when the engine has it, built and registered where that is allowed.
# Sourced by bootstrap.sh and second_engine.sh.

gvisor_version=v0.0.0-20260905035102-160fafc42237
# Outside the checkout: the engine's configuration must not point into a folder that may go.
gvisor_folder=/usr/local/lib/claude-bottle
gvisor_program=$gvisor_folder/runsc-$gvisor_version
engine_config=/etc/docker/daemon.json

setup_gvisor() {
  registered=$(registered_runsc)
  if [ -n "$registered" ] && runsc_is_there "$registered"; then
    phase_detail="runsc, registered as $registered"
  elif reason=$(gvisor_obstacle); then
    phase_detail="not there: its tests are counted as skipped ($reason)"
  else
    if build_gvisor; then register_gvisor; fi
  fi
}

# Where the engine finds runsc; empty when it does not know it.
registered_runsc() {
  docker info --format '{{range $name, $runtime := .Runtimes}}{{if eq $name "runsc"}}{{$runtime.Path}}{{end}}{{end}}' 2>/dev/null
}

# A remote engine's files cannot be seen from here.
runsc_is_there() {
  dockerd_runs || return 0
  case $1 in
    /*) [ -x "$1" ] ;;
    *) return 0 ;;
  esac
}

# Why gVisor cannot be set up here, on stdout; fails when nothing stands in the way.
gvisor_obstacle() {
  if ! is_root || [ -n "${DOCKER_HOST:-}${DOCKER_CONTEXT:-}" ] || ! pid=$(dockerd_pid); then
    echo "the engine is not this machine's own"
  elif tr '\0' '\n' <"/proc/$pid/cmdline" | grep -q '^--config-file'; then
    echo "the engine has a configuration file of its own"
  elif ! may_configure_engine; then
    echo "CLAUDE_BOTTLE_TEST_GVISOR=1 lets this build it and add it to $engine_config"
  elif ! has_recent_go; then
    echo "Go 1.26 or newer is not on PATH"
  else
    return 1
  fi
}

# The user's engine is changed only when they said so; CI's and the one that was installed here may be.
may_configure_engine() {
  [ "${CI:-}" = true ] || [ "${CLAUDE_BOTTLE_TEST_GVISOR:-}" = 1 ] || [ -e "$engine_mark" ]
}

has_recent_go() {
  have go || return 1
  found=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null)
  case $found in
    go1.2[6-9]* | go1.[3-9][0-9]*) return 0 ;;
    *) return 1 ;;
  esac
}

build_gvisor() {
  [ ! -x "$gvisor_program" ] || return 0
  say "building gVisor with Go (a minute or two)"
  mkdir -p "$gvisor_folder"
  gvisor_work=$(mktemp -d "$gvisor_folder/build.XXXXXX")
  if CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=mod GOBIN="$gvisor_work" \
    quietly within 900 go install "gvisor.dev/gvisor/runsc@$gvisor_version" && "$gvisor_work/runsc" --version >/dev/null; then
    mv -f "$gvisor_work/runsc" "$gvisor_program"
    rm -rf "$gvisor_work"
    return 0
  fi
  rm -rf "$gvisor_work"
  phase_detail="could not be built: its tests are counted as skipped"
  return 1
}

register_gvisor() {
  say "adding the runtime runsc to $engine_config"
  mkdir -p "$(dirname "$engine_config")"
  if ! "$deno" run --no-prompt --quiet --allow-read="$engine_config,$engine_config.new" --allow-write="$engine_config,$engine_config.new" \
    "$root/scripts/engine_runtime.ts" "$engine_config" runsc "$gvisor_program"; then
    phase_detail="not registered: its tests are counted as skipped"
    return 0
  fi
  kill -HUP "$(dockerd_pid)"
  await_gvisor || fail "The engine did not take the runtime runsc within 30 seconds" "Look into $engine_config and the engine's log"
  phase_detail="runsc, built and registered"
}

await_gvisor() {
  deadline=$(($(date +%s) + 30))
  until [ "$(registered_runsc)" = "$gvisor_program" ]; do
    [ "$(date +%s)" -lt "$deadline" ] || return 1
    sleep 0.3
  done
}
