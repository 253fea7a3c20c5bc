# The base image: at hand, pulled, or built from Debian packages where there is no image registry.
# Sourced by bootstrap.sh and second_engine.sh.

base_release=trixie

setup_base_image() {
  case $base_image in -*) fail "CLAUDE_BOTTLE_BASE_IMAGE is not an image name: $base_image" ;; esac
  if docker image inspect "$base_image" >/dev/null 2>&1; then
    phase_detail="$base_image is there"
  elif [ "$base_image" != debian:$base_release-slim ]; then
    pull_base 600 || fail "The base image $base_image is not on the engine and could not be pulled" \
      "docker pull $base_image" "Unset CLAUDE_BOTTLE_BASE_IMAGE to use debian:$base_release-slim"
  elif can_build_base; then
    # Not longer: with Debian packages at hand there is another way.
    pull_base 20 || build_base
  else
    pull_base 300 || no_base
  fi
}

# pull_base SECONDS
pull_base() {
  say "pulling $base_image"
  quietly within "$1" docker pull --quiet "$base_image" || return 1
  phase_detail="$base_image, pulled"
}

can_build_base() { is_root && is_debian_family && ! is_ubuntu; }

# Ubuntu's sources have no Debian mirror.
is_ubuntu() { grep -qi '^ID=ubuntu' /etc/os-release 2>/dev/null; }

no_base() {
  fail "The base image $base_image could not be pulled, and only on Debian, as root, can it be built from packages" \
    "Make an image registry reachable, then: docker pull $base_image" \
    "Or name an image that is there, with Debian $base_release in it, in CLAUDE_BOTTLE_BASE_IMAGE"
}

build_base() {
  say "it cannot be pulled: building it from Debian packages"
  refuse_other_architecture
  find_mirrors ||
    fail "The base image could not be pulled, and apt's sources name no Debian mirror over http or https" \
      "Make an image registry reachable, then: docker pull $base_image" \
      "Or add a Debian mirror to /etc/apt/sources.list.d, then run this again"
  have mmdebstrap || apt_install mmdebstrap
  base_work=$(mktemp -d)
  trap 'rm -rf "$base_work"' EXIT
  trap 'exit 130' INT TERM HUP
  base_sources >"$base_work/sources.list"
  make_root --format=tar "$base_release" "$base_work/root.tar" "$base_work/sources.list" ||
    fail "mmdebstrap could not build Debian $base_release" \
      "When signatures are the problem: apt-get install --only-upgrade debian-archive-keyring"
  docker import --change 'CMD ["bash"]' --change 'LABEL claude-bottle.base=mmdebstrap' \
    "$base_work/root.tar" "$base_image" >/dev/null || fail "The engine did not take the base image" "docker info"
  rm -rf "$base_work"
  trap - EXIT INT TERM HUP
  phase_detail="$base_image, built from Debian packages"
}

# make_root ARGUMENTS-OF-MMDEBSTRAP…: with the proxy that apt uses on this machine, which mmdebstrap does not read.
make_root() {
  apt_proxy=$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null || true)
  case $apt_proxy in
    http*) export http_proxy="$apt_proxy" https_proxy="${https_proxy:-$apt_proxy}" ;;
  esac
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  if [ -f "$keyring" ]; then set -- "--keyring=$keyring" "$@"; fi
  quietly mmdebstrap --variant=minbase --include=ca-certificates "$@"
}

# An image for this machine's packages runs only on an engine of the same kind.
refuse_other_architecture() {
  engine_arch=$(docker version --format '{{.Server.Arch}}')
  own_arch=$(dpkg --print-architecture)
  case $own_arch in armhf | armel) own_arch=arm ;; i386) own_arch=386 ;; esac
  [ "$engine_arch" = "$own_arch" ] ||
    fail "The engine is $engine_arch and this machine $own_arch: its packages do not make an image for that engine" \
      "On the engine's side: docker pull $base_image"
}

# Sets `mirror` and `security_mirror` (may be empty) from apt's own reading of its sources; fails when it names none.
find_mirrors() {
  targets=$(apt_targets)
  case $targets in
    *'|Debian|Debian|'*) ;;
    # Who signs an archive is known only once its lists have been fetched.
    *)
      quietly apt_get update || true
      targets=$(apt_targets)
      ;;
  esac
  mirror=$(printf '%s\n' "$targets" | mirror_of Debian -v -e '-updates|' -e '-backports|' -e '-proposed')
  security_mirror=$(printf '%s\n' "$targets" | mirror_of Debian-Security -e '-security|' -e '/updates|')
  [ -n "$mirror" ]
}

apt_targets() {
  # shellcheck disable=SC2016 # apt's own placeholders
  apt-get indextargets --format '$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' 2>/dev/null ||
    true
}

# mirror_of LABEL GREP-ARGUMENTS…: the first address with that label whose line passes grep. Cloud images have a list of
# mirrors in a file.
mirror_of() {
  label=$1
  shift
  address=$(grep -F "|Debian|$label|" | grep -F '|main' | grep -F "$@" | cut -d'|' -f1 | head -n 1)
  case $address in
    mirror+file:*) address=$(grep -m 1 '^http' "${address#mirror+file:}" 2>/dev/null | cut -f1) ;;
  esac
  case $address in
    http://* | https://*) printf '%s\n' "${address%/}" ;;
  esac
}

base_sources() {
  echo "deb $mirror $base_release main"
  echo "deb $mirror $base_release-updates main"
  [ -z "$security_mirror" ] || echo "deb $security_mirror $base_release-security main"
}
