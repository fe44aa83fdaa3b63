#!/usr/bin/env bash
# Runs a private Docker Engine, a newer one, a private Podman, another of an ordinary user and a throw-away sshd for one test run:  services.sh DIR
# Prints `ready` on stdout once each answers or has said in DIR/SERVICE.unavailable why it never will, then waits for the end of its stdin. However its starter ends (also by
# SIGKILL) the pipe closes, so the engine, its containers, its bridge and DIR itself always go away with it.
set -uo pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
unset CONTAINER_HOST XDG_RUNTIME_DIR DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH

readonly DIR="$1"
# Unpacked by provision-newer.sh; runs on the machine's own containerd and runc.
readonly NEWER=/usr/local/lib/sandkeep-test/engine/dockerd
readonly SSH_DIR="$DIR/ssh"
# An ordinary user with subordinate ids, whom provision.sh makes.
readonly ORDINARY=sandkeep-test
readonly SSH_TRIES=20
readonly READY_LIMIT_S=120
export DOCKER_CONFIG="$DIR/docker-cli"

bridge=""
declare -A dockerd_pids=() # of `docker` and of `newer`
declare -A podman_pids=() # of `podman` and of `rootless`
sshd_pid=""

engine_at() { "$(engine_cli)" -H "unix://$1" "${@:2}"; } # SOCKET ARGUMENTS...
# The client that came with the engine, where there is one: another on PATH may have outgrown this API version.
engine_cli() { if [ -x /usr/bin/docker ]; then echo /usr/bin/docker; else echo docker; fi; }

# Its own storage, state, locks and networks: nothing of the machine's Podman is read or written.
podman_command() { # podman|rootless; the words are left in COMMAND
  local own="$DIR/$1"
  COMMAND=()
  [ "$1" = podman ] || COMMAND=(setpriv "--reuid=$ORDINARY" "--regid=$ORDINARY" --clear-groups)
  COMMAND+=(env -C "$own" "HOME=$own/home" "XDG_RUNTIME_DIR=$own/xdg" "CONTAINERS_CONF=$own/containers.conf"
    "CONTAINERS_STORAGE_CONF=$own/storage.conf" podman)
}
pod() { # podman|rootless ARGUMENTS...
  local COMMAND
  podman_command "$1"
  "${COMMAND[@]}" "${@:2}"
}

fail() {
  printf 'services: %s\n' "$1" >&2
  [ -z "${2:-}" ] || tail -n 25 "$2" >&2
  exit 1
}

# One that is not to be had leaves the others to their tests.
give_up_on() { # SERVICE REASON [LOG]
  { printf '%s\n' "$2" && { [ -z "${3:-}" ] || tail -n 25 "$3"; }; } >"$DIR/$1.unavailable"
  printf 'services: without %s: %s\n' "$1" "$(cat "$DIR/$1.unavailable")" >&2
  return 1
}
is_up() { [ ! -e "$DIR/$1.unavailable" ]; } # SERVICE

wait_for_exit() { # PID TENTHS
  local left="$2"
  while [ "$left" -gt 0 ] && kill -0 "$1" 2>/dev/null; do
    sleep 0.1
    left=$((left - 1))
  done
  ! kill -0 "$1" 2>/dev/null
}

stop_sshd() {
  [ -n "$sshd_pid" ] || return 0
  kill -TERM -- "-$sshd_pid" 2>/dev/null # the group: the listener and its sessions
  wait_for_exit "$sshd_pid" 30 || kill -KILL "$sshd_pid" 2>/dev/null
}

stop_dockerd() { # docker|newer
  local pid="${dockerd_pids[$1]:-}" socket containers containerd_pid
  [ -n "$pid" ] || return 0
  socket="$(engine_socket "$1")"
  containerd_pid="$(cat "${socket%.sock}.exec/containerd/containerd.pid" 2>/dev/null)"
  mapfile -t containers < <(timeout 10 "$(engine_cli)" -H "unix://$socket" ps -aq 2>/dev/null)
  [ "${#containers[@]}" -eq 0 ] || timeout 30 "$(engine_cli)" -H "unix://$socket" rm -f "${containers[@]}" >/dev/null 2>&1
  kill -TERM "$pid" 2>/dev/null
  wait_for_exit "$pid" 200 || kill -KILL "$pid" 2>/dev/null
  [ -z "$containerd_pid" ] || wait_for_exit "$containerd_pid" 50 || kill -KILL "$containerd_pid" 2>/dev/null
  kill_shims "${socket%.sock}.exec"
}

# An engine that hangs removes nothing, and its containers would outlive it.
kill_shims() { # EXEC_ROOT
  local process argv children
  for process in /proc/[0-9]*; do
    mapfile -d '' argv 2>/dev/null <"$process/cmdline" || continue
    [[ "${argv[0]:-}" == *containerd-shim* && " ${argv[*]}" == *" -address $1/"* ]] || continue
    children="$(cat "$process/task/${process#/proc/}/children" 2>/dev/null)"
    # shellcheck disable=SC2086 # a list
    kill -KILL "${process#/proc/}" $children 2>/dev/null
  done
}

stop_podman() { # podman|rootless
  local pid="${podman_pids[$1]:-}" own="$DIR/$1" process
  [ -n "$pid" ] || return 0
  pod "$1" rm -af -t 0 >/dev/null 2>&1
  kill -TERM "$pid" 2>/dev/null
  wait_for_exit "$pid" 50 || kill -KILL "$pid" 2>/dev/null
  # The service of an ordinary user is two processes, of which the second outlives a first that was killed. Each command
  # leaves its monitor for five minutes, which would then clean up below a DIR that is gone; and the first one of an
  # ordinary user leaves the process that holds their user namespace.
  for process in /proc/[0-9]*; do
    if tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -q -e "^[^ ]*conmon .*$own/" -e "unix://$own/podman.sock"; then
      kill -KILL "${process#/proc/}" 2>/dev/null
    fi
  done
  process="$(cat "$own/tmp/pause.pid" 2>/dev/null)"
  case "$(cat "/proc/${process:-self}/comm" 2>/dev/null)" in
    catatonit | podman*) kill -KILL "$process" 2>/dev/null ;;
  esac
}

cleanup() {
  trap '' INT TERM HUP
  stop_sshd
  stop_podman rootless
  stop_podman podman
  stop_dockerd newer
  stop_dockerd docker
  awk -v dir="$DIR/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs -r umount -l 2>/dev/null
  # Networks the tests left: the engine made their bridges inside our own address block.
  if [ -n "$bridge" ]; then
    ip -4 -o addr show | awk -v net="10.${bridge#sktest}." 'index($4, net) == 1 { print $2 }' |
      xargs -r -n 1 ip link delete 2>/dev/null
  fi
  rm -rf "$DIR" 2>/dev/null || { sleep 0.5; rm -rf "$DIR"; }
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# Engines on one machine must not share `docker0` nor iptables chains: each gets its own bridge and a /16, and the
# atomic `ip link add` is what makes the choice of the number safe between two runs.
claim_bridge() {
  local number
  for number in $(shuf -i 101-250); do
    if ip link add "sktest$number" type bridge 2>/dev/null; then
      bridge="sktest$number"
      ip addr add "10.$number.0.1/24" dev "$bridge" && ip link set "$bridge" up && return 0
      return 1
    fi
  done
  return 1
}

engine_socket() { echo "$DIR/$1.sock"; } # docker|newer

# Containers ask the bridge's own address for names: there a test can answer, and see who asked.
start_dockerd() {
  claim_bridge || fail "cannot create a network bridge (CAP_NET_ADMIN is needed)"
  local net="10.${bridge#sktest}"
  start_engine docker dockerd --bridge "$bridge" --default-address-pool "base=$net.128.0/17,size=24" --dns "$net.0.1"
}

# For builds alone, which have no network here: it makes no bridge and no rule.
start_newer() {
  [ -x "$NEWER" ] || {
    give_up_on newer "no $NEWER: provision-newer.sh unpacks it"
    return 1
  }
  start_engine newer "$NEWER" --bridge none --ip6tables=false
}

start_engine() { # docker|newer PROGRAM ARGUMENTS...
  local own="$DIR/$1"
  printf '{}\n' >"$DIR/daemon.json" # in place of the machine's own
  "${@:2}" --config-file "$DIR/daemon.json" --data-root "$own.data" --exec-root "$own.exec" --pidfile "$own.pid" \
    -H "unix://$own.sock" --iptables=false --ip-forward=false --ip-masq=false --shutdown-timeout 3 --log-level warn \
    </dev/null >"$own.log" 2>&1 &
  dockerd_pids[$1]=$!
}

# The most that any process of this machine may have: without CAP_SYS_RESOURCE no container gets more.
most() { # ulimit's flag
  local limit
  limit="$(ulimit -H "$1")"
  if [ "$limit" = unlimited ] || [ "$limit" -gt 20000 ]; then echo 20000; else echo "$limit"; fi
}

write_podman_files() { # podman|rootless DRIVER BRIDGE SUBNET
  local own="$DIR/$1"
  mkdir -p "$own"/{root,run,tmp,net,ipam,home}
  mkdir -p -m 700 "$own/xdg"
  cat >"$own/storage.conf" <<CONFIG
[storage]
driver = "$2"
graphroot = "$own/root"
rootless_storage_path = "$own/root"
runroot = "$own/run"
CONFIG
  cat >"$own/containers.conf" <<CONFIG
[containers]
default_ulimits = ["nofile=$(most -n):$(most -n)", "nproc=$(most -u):$(most -u)"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "$own/tmp"
[network]
# Else Podman chooses by what the machine has, and reads another kind of file than the one below.
network_backend = "cni"
network_config_dir = "$own/net"
CONFIG
  # The default network under a name of its own, without the firewall rules that would be the whole machine's.
  cat >"$own/net/87-podman.conflist" <<CONFIG
{
  "cniVersion": "0.4.0",
  "name": "podman",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "$3",
      "isGateway": true,
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "$own/ipam",
        "routes": [{ "dst": "0.0.0.0/0" }],
        "ranges": [[{ "subnet": "$4.0/24", "gateway": "$4.1" }]]
      }
    }
  ]
}
CONFIG
}

start_podman() { # podman|rootless
  local net="10.${bridge#sktest}"
  case "$1" in
    podman) write_podman_files podman overlay "${bridge}p" "$net.64" ;;
    rootless)
      # The only storage that asks nothing of the machine: no /dev/fuse, and no overlay in a user namespace.
      write_podman_files rootless vfs "${bridge}r" "$net.65"
      chmod 711 "$DIR"
      chown -R "$ORDINARY:" "$DIR/rootless" || {
        give_up_on rootless "no user $ORDINARY: provision.sh makes it"
        return 1
      }
      ;;
  esac
  # Not through the function: the process to end must be the service, not a shell around it.
  local COMMAND
  podman_command "$1"
  "${COMMAND[@]}" system service --time=0 "unix://$DIR/$1/podman.sock" </dev/null >"$DIR/$1.log" 2>&1 &
  podman_pids[$1]=$!
}

wait_for_podman() { # podman|rootless
  local tries=$((READY_LIMIT_S * 10))
  is_up "$1" || return 1
  until [ -S "$DIR/$1/podman.sock" ] && podman --url "unix://$DIR/$1/podman.sock" version >/dev/null 2>&1; do
    if ! kill -0 "${podman_pids[$1]}" 2>/dev/null; then
      podman_pids[$1]=""
      give_up_on "$1" "podman ended at start; its last lines:" "$DIR/$1.log"
      return 1
    fi
    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then
      give_up_on "$1" "podman was not ready in $READY_LIMIT_S s; its last lines:" "$DIR/$1.log"
      return 1
    fi
    sleep 0.1
  done
}

wait_for_dockerd() { # docker|newer
  local tries=$((READY_LIMIT_S * 10)) socket
  is_up "$1" || return 1
  socket="$(engine_socket "$1")"
  until [ -S "$socket" ] && engine_at "$socket" version >/dev/null 2>&1; do
    if ! kill -0 "${dockerd_pids[$1]}" 2>/dev/null; then
      dockerd_pids[$1]=""
      give_up_on "$1" "dockerd ended at start; its last lines:" "$DIR/$1.log"
      return 1
    fi
    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then
      give_up_on "$1" "dockerd was not ready in $READY_LIMIT_S s; its last lines:" "$DIR/$1.log"
      return 1
    fi
    sleep 0.1
  done
}

# A root file system of a static busybox with its applets, and the few files programs expect. CONTENT makes each
# image's digest its own.
build_rootfs() { # DIR CONTENT
  mkdir -p "$1"/{bin,etc,proc,sys,dev,root,usr/bin,usr/sbin,sbin,home/user,workspace}
  mkdir -p -m 1777 "$1/tmp"
  cp "$(command -v busybox)" "$1/bin/busybox"
  local applet
  for applet in $("$1/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
  done
  ln -s ../../bin/busybox "$1/usr/bin/env"
  printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n' >"$1/etc/passwd"
  printf 'root:x:0:\nuser:x:1000:\n' >"$1/etc/group"
  printf '%s\n' "$2" >"$1/etc/sandkeep-test"
  chown -R 1000:1000 "$1/home/user"
}

import_image() { # ROOTFS NAME CMD
  tar -C "$1" --numeric-owner -cf "$DIR/image.tar" .
  local each
  for each in docker newer; do
    is_up "$each" || continue
    engine_at "$(engine_socket "$each")" import --change "CMD $3" "$DIR/image.tar" "$2" >/dev/null 2>"$DIR/import.log" ||
      give_up_on "$each" "docker cannot import $2:" "$DIR/import.log"
  done
  for each in podman rootless; do
    is_up "$each" || continue
    pod "$each" import --quiet --change "CMD $3" - "$2" <"$DIR/image.tar" >/dev/null 2>"$DIR/import.log" ||
      give_up_on "$each" "podman cannot import $2:" "$DIR/import.log"
  done
}

load_images() {
  build_rootfs "$DIR/rootfs" 1
  import_image "$DIR/rootfs" sandkeep-test/busybox:1 '["/bin/sh"]'
  printf '2\n' >"$DIR/rootfs/etc/sandkeep-test"
  import_image "$DIR/rootfs" sandkeep-test/busybox:2 '["/bin/sh"]'
  printf 'exits\n' >"$DIR/rootfs/etc/sandkeep-test"
  import_image "$DIR/rootfs" sandkeep-test/exits:1 '["/bin/false"]'
  rm -rf "$DIR/rootfs" "$DIR/image.tar"
}

write_ssh_files() {
  mkdir -p -m 700 "$SSH_DIR"
  ssh-keygen -q -t ed25519 -N '' -C sandkeep-test-host -f "$SSH_DIR/host_key"
  ssh-keygen -q -t ed25519 -N '' -C sandkeep-test-user -f "$SSH_DIR/user_key"
  cp "$SSH_DIR/user_key.pub" "$SSH_DIR/authorized_keys"
  cat >"$SSH_DIR/sshd_config" <<CONFIG
ListenAddress 127.0.0.1
HostKey $SSH_DIR/host_key
AuthorizedKeysFile $SSH_DIR/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
CONFIG
}

write_ssh_client_files() { # PORT
  printf '%s\n' "$1" >"$SSH_DIR/port"
  id -un >"$SSH_DIR/user"
  printf '[127.0.0.1]:%s %s\n' "$1" "$(cut -d' ' -f1,2 "$SSH_DIR/host_key.pub")" >"$SSH_DIR/known_hosts"
  cat >"$SSH_DIR/config" <<CONFIG
Host sandkeep-test
  HostName 127.0.0.1
  Port $1
  User $(id -un)
  IdentityFile $SSH_DIR/user_key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile $SSH_DIR/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
CONFIG
}

start_sshd() {
  mkdir -p -m 755 /run/sshd # the compiled-in privilege separation directory
  write_ssh_files
  local try port
  for try in $(seq "$SSH_TRIES"); do
    port="$(shuf -i 20000-32000 -n 1)" # below the ephemeral range: no outgoing connection holds it
    setsid "$(command -v sshd)" -D -e -f "$SSH_DIR/sshd_config" -p "$port" </dev/null >"$SSH_DIR/sshd.log" 2>&1 &
    sshd_pid=$!
    write_ssh_client_files "$port"
    local tries=50
    while kill -0 "$sshd_pid" 2>/dev/null && [ "$tries" -gt 0 ]; do
      ssh -F "$SSH_DIR/config" -o ConnectTimeout=5 sandkeep-test true 2>"$SSH_DIR/ssh.log" && return 0
      sleep 0.1
      tries=$((tries - 1))
    done
    grep -q 'Address already in use' "$SSH_DIR/sshd.log" || break
  done
  cat "$SSH_DIR/ssh.log" >>"$SSH_DIR/sshd.log"
  stop_sshd
  sshd_pid=""
  give_up_on ssh "sshd did not come up; its last lines:" "$SSH_DIR/sshd.log"
}

start_dockerd
start_newer
start_podman podman
start_podman rootless
start_sshd
wait_for_dockerd docker
wait_for_dockerd newer
wait_for_podman podman
wait_for_podman rootless
load_images
printf 'ready\n'
cat >/dev/null # until the starter closes the pipe or is gone
