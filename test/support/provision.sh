#!/usr/bin/env bash
# Installs the real services the tests talk to: a Docker Engine, Podman and an ordinary user to run one, an OpenSSH
# server, bubblewrap, a static busybox for the base images, a registry, and systemd-analyze. Idempotent; returns at once
# when everything is there.
set -euo pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# command it brings : Debian package
readonly NEEDS=(
  dockerd:docker.io
  docker:docker.io
  iptables:iptables
  podman:podman
  runc:runc
  catatonit:catatonit
  newuidmap:uidmap
  slirp4netns:slirp4netns
  useradd:passwd
  setpriv:util-linux
  /usr/lib/cni/bridge:containernetworking-plugins
  ip:iproute2
  sshd:openssh-server
  ssh:openssh-client
  ssh-keygen:openssh-client
  openssl:openssl
  bwrap:bubblewrap
  systemd-analyze:systemd
  unshare:util-linux
  flock:util-linux
  nsenter:util-linux
  script:bsdutils
  git:git
  docker-registry:docker-registry
  tar:tar
  rsync:rsync
)

say() { printf 'provision: %s\n' "$*" >&2; }

# The dynamic busybox of other packages cannot run in an otherwise empty image.
has_static_busybox() { command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1; }

missing_packages() {
  local need
  for need in "${NEEDS[@]}"; do
    command -v "${need%%:*}" >/dev/null || printf '%s\n' "${need#*:}"
  done
  has_static_busybox || printf 'busybox-static\n'
}

# Who runs an engine of their own, with the subordinate ids that takes; owns nothing and cannot log in.
readonly ORDINARY=sandkeep-test
has_subordinate_ids() { grep -qs "^$ORDINARY:" /etc/subuid && grep -qs "^$ORDINARY:" /etc/subgid; }
has_ordinary_user() { id -u "$ORDINARY" >/dev/null 2>&1 && has_subordinate_ids; }
make_ordinary_user() {
  id -u "$ORDINARY" >/dev/null 2>&1 ||
    useradd --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$ORDINARY"
  has_subordinate_ids || usermod --add-subuids 1500000000-1500065535 --add-subgids 1500000000-1500065535 "$ORDINARY"
}

# Last of all, since a newer engine runs on what the packages bring. Its absence is its own tests' failure.
newer() { bash "$(dirname "${BASH_SOURCE[0]}")/provision-newer.sh" || say "going on without the newer programs"; }
trap newer EXIT

mapfile -t packages < <(missing_packages | sort -u)
if [ "${#packages[@]}" -eq 0 ] && { has_ordinary_user || [ "$(id -u)" -ne 0 ]; }; then
  exit 0
fi

# One engine's absence is its own tests' failure, and no reason to run none of the others'.
only_podman_missing() { ! printf '%s\n' "${packages[@]}" | grep -qvxE 'podman|catatonit|containernetworking-plugins|uidmap|slirp4netns'; }

give_up() {
  say "missing: ${packages[*]}"
  say "$1"
  if only_podman_missing; then
    say "going on without Podman: its tests are skipped, with the reason; in CI they fail."
    exit 0
  fi
  if [ "${CI:-}" = "true" ] || [ "${CI:-}" = "1" ]; then
    exit 1
  fi
  say "going on without; tests that need these services are skipped, with the reason."
  exit 0
}

[ "$(id -u)" -eq 0 ] || give_up "not root: run 'sudo apt-get install --no-install-recommends ${packages[*]}' once."
command -v apt-get >/dev/null || give_up "no apt-get: install the equivalents of these Debian packages yourself."

# Two runs at once install one after the other; the second finds nothing left to do.
exec 9>/tmp/sandkeep-provision.lock
if command -v flock >/dev/null; then
  flock -w 900 9 || give_up "another provisioning run holds the lock for more than 15 minutes."
  mapfile -t packages < <(missing_packages | sort -u)
fi

export DEBIAN_FRONTEND=noninteractive
apt_get() { apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@" </dev/null >&2 9>&-; }

install_all() {
  [ "${#packages[@]}" -gt 0 ] || return 0
  say "installing ${packages[*]}"
  apt_get install -y -q --no-install-recommends "${packages[@]}"
}
if ! install_all; then
  # Package lists are absent or old on fresh images; the list lock itself has no wait option.
  for attempt in 1 2 3 4 5 6; do
    apt_get update -q && break
    say "apt-get update failed (attempt $attempt), trying again"
    sleep "$((attempt * 3))"
  done
  # All or none is what apt-get does with a list: one by one, the rest is there though one cannot be had.
  install_all || for package in "${packages[@]}"; do apt_get install -y -q --no-install-recommends "$package" || true; done
fi

mapfile -t packages < <(missing_packages | sort -u)
[ "${#packages[@]}" -eq 0 ] || give_up "apt-get install did not bring them, see above."
has_ordinary_user || make_ordinary_user || say "going on without user $ORDINARY: the tests of a rootless Podman fail."
say "done"
