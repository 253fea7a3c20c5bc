# An engine that answers: the one at hand, or, as root on Debian and Ubuntu, installed and started.
# Sourced by bootstrap.sh and second_engine.sh.

# Kept with the programs that we install for the engine: says that the engine came from here.
engine_mark=/usr/local/lib/claude-bottle/engine-installed-by-bootstrap
engine_log=/var/log/claude-bottle-dockerd.log
containerd_pid_file=/run/docker/containerd/containerd.pid

setup_engine() {
  if ! engine_answers; then
    refuse_named_engine
    refuse_foreign_machine
    have dockerd && have docker || install_engine
    start_engine
  fi
  phase_detail="$(docker version --format '{{.Server.Version}} ({{.Server.Os}}/{{.Server.Arch}})')"
}

engine_answers() {
  have docker && within 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# An engine that the user named is theirs to repair; another one would not be what they asked for.
refuse_named_engine() {
  named=
  [ -z "${DOCKER_CONTEXT:-}" ] || named="DOCKER_CONTEXT=$DOCKER_CONTEXT"
  [ -z "${DOCKER_HOST:-}" ] || named="DOCKER_HOST=$DOCKER_HOST"
  if [ -z "$named" ] && have docker; then
    context=$(docker context show 2>/dev/null || echo default)
    [ "$context" = default ] || named="the docker context $context"
  fi
  [ -n "$named" ] || return 0
  if ! have docker; then
    fail "$named is set, but the docker program is not on PATH" "Install the docker CLI, then run this again"
  fi
  within 20 docker version 2>&1 >/dev/null | tail -n 3 | sed 's/^/  /' >&2 || true
  fail "The engine that $named names does not answer" \
    "Start it, or unset that choice to use this machine's own engine"
}

refuse_foreign_machine() {
  is_root && is_debian_family && return 0
  if [ "$(uname -s)" = Darwin ]; then
    fail "No engine answers" \
      "Start Docker Desktop, OrbStack or colima (\`brew install colima docker && colima start\`), then run this again"
  fi
  if ! have docker; then
    if is_debian_family; then
      fail "The docker program is not on PATH" \
        "sudo apt-get install docker.io iptables tini && sudo usermod -aG docker \"\$USER\"" \
        "Log in again, then run this again"
    fi
    fail "The docker program is not on PATH" "Install docker with your distribution's packages, then run this again"
  fi
  within 20 docker version 2>&1 >/dev/null | tail -n 3 | sed 's/^/  /' >&2 || true
  fail "No engine answers" "sudo systemctl start docker" \
    "When it is the permission that is missing: sudo usermod -aG docker \"\$USER\", then log in again"
}

install_engine() {
  say "no engine answers and this is Debian or Ubuntu as root: installing one"
  apt_install docker.io iptables tini
  # Newer releases have the CLI in a package of its own.
  have docker || apt_install docker-cli
  mkdir -p "$(dirname "$engine_mark")"
  : >"$engine_mark"
}

start_engine() {
  if [ -d /run/systemd/system ] && have systemctl; then
    say "starting the engine: systemctl start docker"
    quietly systemctl start docker || fail "systemd could not start docker" "journalctl -u docker -n 30"
    await_engine || fail "The engine does not answer although systemd started it" "journalctl -u docker -n 30"
    return 0
  fi
  if dockerd_runs; then
    say "an engine is starting: waiting for it"
  else
    remove_stale_pids
    say "starting the engine: dockerd, its log is $engine_log"
    start_dockerd
  fi
  await_engine && return 0
  tail -n 15 "$engine_log" 2>/dev/null | sed 's/^/  /' >&2 || true
  fail "The engine did not answer within 60 seconds" "The end of its log is above; all of it is in $engine_log"
}

# Without our lock (9), which it would hold for as long as it runs.
start_dockerd() {
  if have setsid; then
    setsid dockerd >>"$engine_log" 2>&1 </dev/null 9>&- &
  else
    nohup dockerd >>"$engine_log" 2>&1 </dev/null 9>&- &
  fi
}

# The id of this machine's own dockerd, when it runs.
dockerd_pid() { live_pid /run/docker.pid dockerd; }

# live_pid FILE PROGRAM: the process id that the file holds, when that program runs under it.
live_pid() {
  pid=$(cat "$1" 2>/dev/null) || return 1
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  # Not by its name: that of one that was killed stays until someone collects it, but its command line is empty.
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "$2" && echo "$pid"
}

# Left by an engine that was killed. dockerd takes an id as a sign of life even when its process only waits to be
# collected, or when another program has it by now: it would then wait in vain for its containerd.
remove_stale_pids() {
  live_pid /run/docker.pid dockerd >/dev/null || rm -f /run/docker.pid
  live_pid $containerd_pid_file containerd >/dev/null || rm -f $containerd_pid_file
}

dockerd_runs() { dockerd_pid >/dev/null; }

await_engine() {
  deadline=$(($(date +%s) + 60))
  until engine_answers; do
    [ "$(date +%s)" -lt "$deadline" ] || return 1
    sleep 0.3
  done
}
