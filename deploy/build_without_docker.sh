#!/usr/bin/env bash
# Builds and runs the image `serve` where no Docker engine and no image registry can be had: the base is bootstrapped
# from Debian's packages, buildah builds the very Dockerfile on it, podman runs it. Needs root and
#   apt-get install --no-install-recommends podman buildah debootstrap runc
# Usage: [MODELS=FOLDER] deploy/build_without_docker.sh base | build [TARGET] | up [PORT] | down | sizes | clean
set -euo pipefail
cd "$(dirname "$0")/.."
WORK=${WORK:-/tmp/mien_images}
STORE=(--root "$WORK/storage" --runroot "$WORK/run" --storage-driver "${STORAGE_DRIVER:-overlay}")
RUN=(--runtime runc --cgroup-manager cgroupfs)
BASE=localhost/mien-base:bookworm

# The default base is python:3.11-slim-bookworm; this is the same Debian with Debian's Python 3.11.
base() {
  mkdir -p "$WORK"
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$WORK/rootfs" \
    http://deb.debian.org/debian >"$WORK/debootstrap.log"
  rm -rf "$WORK"/rootfs/var/cache/apt/archives/*.deb "$WORK"/rootfs/var/lib/apt/lists/*
  tar -C "$WORK/rootfs" -c . | podman "${STORE[@]}" import - "$BASE"
  rm -rf "$WORK/rootfs"
}

# pip's settings of this machine (a mirror, its certificate) are lent to the build and stay out of the image.
build() {
  local target=${1:-serve} lent=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)
  if [[ -f ${PIP_CONFIG_FILE:-/etc/pip.conf} ]]; then lent+=(--volume "${PIP_CONFIG_FILE:-/etc/pip.conf}:/etc/pip.conf:ro"); fi
  buildah "${STORE[@]}" build --isolation chroot --format docker --layers --network host "${lent[@]}" \
    --build-arg "BASE=$BASE" --file deploy/Dockerfile --target "$target" --tag "localhost/mien:$target" .
}

# Four containers on this machine's network, ports PORT to PORT+7, each with a read-only root and nothing else to write to.
up() {
  local port=${1:-28080} role number=0
  local settings=(--env MIEN_HOST=127.0.0.1 --env MIEN_DRAIN_S=1)
  for role in gateway detection classification generation; do
    settings+=(--env "MIEN_${role^^}_REST_PORT=$((port + number))" --env "MIEN_${role^^}_RPC_PORT=$((port + number + 4))")
    settings+=(--env "MIEN_${role^^}_ADDRESS=127.0.0.1:$((port + number + 4))")
    number=$((number + 1))
  done
  if [[ -n ${MODELS:-} ]]; then settings+=(--volume "$MODELS:/models:ro"); fi
  for role in detection classification generation gateway; do
    podman "${STORE[@]}" "${RUN[@]}" run --detach --name "mien-$role" --network host --read-only --read-only-tmpfs=false \
      --cap-drop all --security-opt no-new-privileges --ulimit nofile=1024:4096 --ulimit nproc=1024:4096 \
      "${settings[@]}" localhost/mien:serve serve "$role"
  done
  for _ in $(seq 120); do
    if python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/readyz', timeout=5)" 2>/dev/null; then
      echo "ready: http://127.0.0.1:$port (gRPC 127.0.0.1:$((port + 4)))"
      return
    fi
    sleep 1
  done
  podman "${STORE[@]}" "${RUN[@]}" logs mien-gateway
  return 1
}

down() {
  local role
  for role in gateway generation classification detection; do
    podman "${STORE[@]}" "${RUN[@]}" stop --time 40 "mien-$role" || true
    podman "${STORE[@]}" "${RUN[@]}" rm "mien-$role" || true
  done
}

sizes() { podman "${STORE[@]}" images --format '{{.Repository}}:{{.Tag}} {{.Size}}'; }

clean() {
  podman "${STORE[@]}" "${RUN[@]}" system reset --force || true
  rm -rf "$WORK"
}

case ${1:-} in
  base | build | up | down | sizes | clean) "$@" ;;
  *) sed -n '2,5p' "$0" && exit 2 ;;
esac
