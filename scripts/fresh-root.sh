# Sourced by the scripts that work in a new Debian root, as the first thing they do: makes the root and defines `inside`.
#
#   source scripts/fresh-root.sh SUITE ARCHITECTURE
#
# The root is $root, a minimal Debian by debootstrap with a clone of HEAD in /root/cloze, and goes when the script ends.
# Needs root, for chroot and mounts. Downloaded packages are kept in the directory CLOZE_PACKAGES, if that is set.
# The sourcing script has gone to the root of the source, and has its own arguments in the array `arguments`: it is started
# again with them there, so that paths among them are absolute.
# shellcheck shell=bash disable=SC2154

[ "$(id -u)" -eq 0 ] || { echo "$0: needs root, for chroot" >&2; exit 1; }

# Mounts and processes of its own, which end with the script whatever happens.
if [ -z "${CLOZE_FRESH_ROOT:-}" ]; then
  CLOZE_FRESH_ROOT=1 exec unshare --mount --pid --fork --kill-child -- "$PWD/scripts/${0##*/}" "${arguments[@]}"
fi

root=$(mktemp -d)
chmod 755 "$root" # it is / for everyone in it
trap 'umount "$root/dev/pts" "$root/proc" "$root/var/cache/apt/archives" 2>/dev/null || true; rm -rf --one-file-system "$root" "$root.log" "$root.bare"' EXIT

packages=
debootstrap_options=(--variant=minbase "--arch=$2")
if [ -n "${CLOZE_PACKAGES:-}" ]; then
  packages=$(realpath -m "$CLOZE_PACKAGES")/$1-$2
  mkdir -p "$packages/base" "$packages/more"
  debootstrap_options+=("--cache-dir=$packages/base")
fi
debootstrap "${debootstrap_options[@]}" "$1" "$root" >"$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
mount -t proc proc "$root/proc"
mount -t devpts devpts "$root/dev/pts" # for tests on a terminal
if [ -n "$packages" ]; then # what apt-get installs is kept as well
  echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' >"$root/etc/apt/apt.conf.d/keep"
  mkdir -p "$root/var/cache/apt/archives"
  mount --bind "$packages/more" "$root/var/cache/apt/archives"
fi
git clone --quiet --no-local --depth 1 "file://$PWD" "$root/root/cloze"

# Nothing of the caller's environment reaches a command but what is named here.
environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root)
inside() { chroot "$root" env -i "${environment[@]}" bash -c "set -e; cd ~; $1"; }
