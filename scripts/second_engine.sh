#!/bin/sh
# A second, newer engine for the tests, beside the one at hand: see usage below. It lives in namespaces of its own
# (network, processes, mounts) and has no network to the outside. Everything said goes to stderr, the address to stdout.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
tools="$root/.tools"
base_image=

. "$root/scripts/setup.sh"
. "$root/scripts/engine.sh"
. "$root/scripts/base_image.sh"
. "$root/scripts/gvisor.sh"

# Debian's testing release: its engine is 28 or newer, the stable one's is older.
second_release=forky
# With AppArmor's parser, which an engine on a host that has AppArmor does not start without.
second_packages=apparmor,docker.io,iptables,iproute2,procps,tini
second_folder=/var/lib/claude-bottle-second-engine
# The packages, never written to once they are there; kept by `stop`. Another list of them is another root.
second_root=$second_folder/$second_release-$(printf '%s' "$second_packages" | cksum | cut -d' ' -f1)
# Everything that the engine writes.
second_data=$second_folder/data
second_run=/run/claude-bottle-second-engine
second_socket=$second_run/docker.sock
second_address=unix://$second_socket
second_log=/var/log/claude-bottle-second-engine.log
# The kernel keeps control groups until somebody removes them.
second_groups=claude-bottle-second-engine

# Says that this machine cannot have a second engine, which is no failure.
cannot_run=3

usage() {
  cat >&2 <<END
usage: sh scripts/second_engine.sh start [--for-tests]|stop|status|load IMAGE…

  start   install it into $second_folder and start it; prints the address for DOCKER_HOST.
          With --for-tests only where tests may set things up: with CI=true, where the first engine came from here,
          or with CLAUDE_BOTTLE_TEST_SECOND_ENGINE=1
  load    give it images of the engine at hand, where it does not have them
  status  print its address and version; 1 when it does not run
  stop    end it and remove all that it made; its installed packages stay, so that the next start is quick

exit codes: 0 done, 1 failed, 2 usage, 3 it cannot run on this machine
END
  exit 2
}

# What the user has set for the engine at hand is not meant for this one.
second_docker() { env -u DOCKER_TLS_VERIFY docker --host "$second_address" "$@"; }

second_answers() {
  have docker && within 20 env -u DOCKER_TLS_VERIFY docker --host "$second_address" version >/dev/null 2>&1
}

# The id of the process that all of it hangs on, when it runs.
second_pid() { live_pid "$second_run/pid" "$second_folder"; }

# Whether it began and is gone.
second_ended() { [ -s "$second_run/pid" ] && ! second_pid >/dev/null; }

# Why it cannot run here, on stdout; fails when nothing stands in the way.
second_obstacle() {
  if ! is_root; then
    echo "it needs root"
  elif ! is_debian_family; then
    echo "it is made of Debian packages"
  elif ! have docker; then
    echo "the docker program is not on PATH"
  elif [ -x "$second_root/usr/sbin/dockerd" ]; then
    return 1
  elif ! find_mirrors; then
    echo "apt's sources name no Debian mirror over http or https"
  elif ! have mmdebstrap && [ -z "$(apt-cache policy mmdebstrap 2>/dev/null)" ]; then
    echo "mmdebstrap is not there and not in apt's lists"
  else
    return 1
  fi
}

may_be_set_up() {
  [ "${CI:-}" = true ] || [ "${CLAUDE_BOTTLE_TEST_SECOND_ENGINE:-}" = 1 ] || [ -e "$engine_mark" ]
}

refuse() {
  say "no second engine on this machine: $1"
  exit $cannot_run
}

start_second() {
  if reason=$(second_obstacle); then refuse "$reason"; fi
  lock
  if ! second_is_current; then
    [ -x "$second_root/usr/sbin/dockerd" ] || install_second
    end_second
    remove_other_roots
    run_second
  fi
  unlock
  say "the second engine is $(second_docker version --format '{{.Server.Version}}'), with$(second_runtimes)"
  echo "$second_address"
}

# One that was started before gVisor was built does not have it.
second_is_current() {
  live_pid "$second_run/pid" "$second_root" >/dev/null && second_answers || return 1
  case "$(second_runtimes) " in
    *' runsc '*) [ -x "$gvisor_program" ] ;;
    *) [ ! -x "$gvisor_program" ] ;;
  esac
}

second_runtimes() {
  second_docker info --format '{{range $name, $runtime := .Runtimes}} {{$name}}{{end}}' | sed 's/ io\.[^ ]*//g'
}

install_second() {
  say "installing Debian $second_release and its engine into $second_folder"
  have mmdebstrap || apt_install mmdebstrap
  mkdir -p "$second_folder"
  rm -rf "$second_root.new"
  trap 'rm -rf "$second_root.new"' EXIT
  trap 'exit 130' INT TERM HUP
  find_mirrors || fail "apt's sources name no Debian mirror over http or https"
  # A mirror may stand still for longer than a testing release says that its lists are good for; they are signed anyway.
  make_root --format=directory --aptopt='Acquire::Check-Valid-Until "false"' --include=$second_packages \
    "$second_release" "$second_root.new" "deb $mirror $second_release main" ||
    fail "mmdebstrap could not build Debian $second_release" \
      "When signatures are the problem: apt-get install --only-upgrade debian-archive-keyring"
  # Where others are bound to later.
  mkdir -p "$second_root.new/var/lib/docker" "$second_root.new$gvisor_folder" "$second_root.new/mnt"
  # This machine's resolver is no business of that one.
  : >"$second_root.new/etc/resolv.conf"
  mv "$second_root.new" "$second_root"
  trap - EXIT INT TERM HUP
}

remove_other_roots() {
  for other in "$second_folder"/*; do
    if [ "$other" != "$second_root" ]; then rm -rf "$other"; fi
  done
}

run_second() {
  say "starting the second engine; its log is $second_log"
  mkdir -p "$second_data" "$second_run" "$gvisor_folder"
  chmod 700 "$second_run"
  runtime=
  if [ -x "$gvisor_program" ]; then runtime="--add-runtime=runsc=$gvisor_program"; fi
  # With the first of its processes all others end: no container of it outlives it. That one notes its id itself and
  # before it begins, so that no engine runs unknown when this script is killed or the note cannot be written.
  # shellcheck disable=SC2016 # for that shell to expand
  setsid sh -c 'echo $$ >"$0" && exec "$@"' "$second_run/pid" \
    unshare --net --mount --pid --fork --kill-child \
    sh -c "$(second_machine)" "$second_root" "$second_data" "$second_run" "$gvisor_folder" \
    --cgroup-parent="/$second_groups" $runtime \
    >"$second_log" 2>&1 </dev/null 9>&- &
  deadline=$(($(date +%s) + 60))
  until second_answers; do
    if [ "$(date +%s)" -ge "$deadline" ] || second_ended; then
      tail -n 15 "$second_log" | sed 's/^/  /' >&2
      fail "The second engine did not start" "The end of its log is above; all of it is in $second_log"
    fi
    sleep 0.3
  done
}

# What runs in the new namespaces. A pivoted root, not a chroot: container runtimes remount "/" and start from there.
second_machine() {
  cat <<'END'
set -eu
packages=$0 data=$1 run=$2 gvisor=$3
shift 3
mount --make-rprivate /
mount --bind "$packages" "$packages"
cd "$packages"
mount --bind "$data" var/lib/docker
mount --bind "$gvisor" "./$gvisor"
mount --rbind /dev dev
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
# AppArmor's; not every kernel has it.
mount -t securityfs securityfs sys/kernel/security 2>/dev/null || true
for folder in run tmp mnt; do mount -t tmpfs -o mode=0755 tmpfs $folder; done
mkdir -p "./$run" mnt/old
mount --bind "$run" "./$run"
mount -o remount,bind,ro "$packages" "$packages"
pivot_root . mnt/old
cd /
umount -l /mnt/old
ip link set lo up
exec tini -- dockerd --host "unix://$run/docker.sock" --group root --exec-opt native.cgroupdriver=cgroupfs \
  --feature containerd-snapshotter=false "$@"
END
}

# Idempotent: also what one that was killed left.
end_second() {
  if second_pid >/dev/null; then
    kill -9 "$(second_pid)" || true
    deadline=$(($(date +%s) + 20))
    while second_pid >/dev/null; do
      [ "$(date +%s)" -lt "$deadline" ] || fail "The second engine does not end" "Look for process $(second_pid)"
      sleep 0.1
    done
  elif second_answers; then
    fail "The second engine runs, but not as the process that $second_run/pid names" "\`ps -ef | grep $second_run\` finds it"
  fi
  # Its mounts go with the last of its processes, a moment later than the first.
  deadline=$(($(date +%s) + 20))
  until rm -rf "$second_data" "$second_run" 2>/dev/null; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "$second_data could not be removed" "rm -rf $second_data"
    sleep 0.2
  done
  find /sys/fs/cgroup -depth -type d -path "*/$second_groups*" -exec rmdir {} + 2>/dev/null || true
}

stop_second() {
  lock
  end_second
  rm -f "$second_log"
  unlock
}

status_second() {
  if ! second_answers; then
    say "the second engine does not run"
    exit 1
  fi
  say "it has$(second_runtimes), its log is $second_log"
  second_docker version --format "$second_address {{.Server.Version}}"
}

# load_second IMAGE…: in one stream, so that what they share is sent once.
load_second() {
  [ $# -gt 0 ] || usage
  second_answers || fail "The second engine does not run" "sh scripts/second_engine.sh start"
  for image in "$@"; do
    case $image in -*) usage ;; esac
    wanted=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null) ||
      fail "The engine at hand has no image $image" "docker image ls"
    shift
    if [ "$(second_image_id "$image")" != "$wanted" ]; then set -- "$@" "$image"; fi
  done
  [ $# -gt 0 ] || return 0
  say "loading into the second engine: $*"
  docker save "$@" | second_docker load --quiet >/dev/null || fail "The second engine did not take the images" "tail $second_log"
  for image in "$@"; do
    [ -n "$(second_image_id "$image")" ] || fail "The second engine did not take $image" "docker save $image"
  done
}

second_image_id() { second_docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }

main() {
  [ $# -gt 0 ] || usage
  task=$1
  shift
  case $task in stop | status | load) is_root || refuse "it needs root" ;; esac
  case "$task $*" in
    'start ') start_second ;;
    'start --for-tests')
      may_be_set_up || refuse "CLAUDE_BOTTLE_TEST_SECOND_ENGINE=1 lets the tests install and start it"
      start_second
      ;;
    'stop ') stop_second ;;
    'status ') status_second ;;
    'load '*) load_second "$@" ;;
    *) usage ;;
  esac
}

main "$@"
