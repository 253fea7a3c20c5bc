# Keeps one engine in namespaces of its own (network, processes, mounts) for a test that breaks it: with this process
# all that it started ends. usage: sh own_engine.sh FOLDER DOCKERD-OPTION…; it runs while FOLDER/up exists.
set -eu
folder=$1
shift
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
ip link set lo up
while :; do
  if [ -e "$folder/up" ]; then
    dockerd "$@" >>"$folder/log" 2>&1 || true
  fi
  sleep 0.1
done
