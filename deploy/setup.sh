#!/usr/bin/env bash
# Installs the Debian 12 packages that Skidway is built with, and only those that are missing.
#   deploy/setup.sh          what building and running needs
#   deploy/setup.sh --tests  also what the tests need
# Run as root (or with sudo in the PATH). Quick when nothing is missing.
set -euo pipefail

build_packages=(
  g++ gcc meson ninja-build ccache pkg-config python3 git ca-certificates
  libuv1-dev libcurl4-openssl-dev libssl-dev node-llhttp libwslay-dev
  libre2-dev libsimdjson-dev libsnappy-dev libzstd-dev zlib1g-dev libxxhash-dev
  libsqlite3-dev libmaxminddb-dev libtomlplusplus-dev libcli11-dev libexpected-dev tzdata
  libsystemd-dev doctest-dev libprotobuf-dev protobuf-compiler libmemcached-dev
)
test_packages=(clang-format-14 clang-19 libclang-rt-19-dev mold openssl logrotate curl procps util-linux bsdutils rsyslog mount systemd systemd-journal-remote
  memcached swift-proxy swift-account swift-container swift-object radosgw ceph-mon ceph-osd ceph-mgr)

packages=("${build_packages[@]}")
[[ "${1:-}" == --tests ]] && packages+=("${test_packages[@]}")

missing=()
for package in "${packages[@]}"; do
  [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

sudo=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "setup: these packages are missing and installing them needs root: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "setup: installing ${#missing[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 -qq update
log=$(mktemp)
if ! "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "setup: apt-get could not install the packages named above (whole log: $log)" >&2
  exit 1
fi
rm -f "$log"
