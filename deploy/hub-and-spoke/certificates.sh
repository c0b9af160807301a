#!/usr/bin/env bash
# Makes what a hub and its spokes need for mTLS: an authority, and a certificate for each of them.
#   certificates.sh FOLDER HUB_ADDRESS SPOKE...    for example: certificates.sh pki hub.example.com berlin paris
# FOLDER/ca.pem goes to everybody, hub.pem and hub-key.pem to the hub, SPOKE.pem and SPOKE-key.pem to that spoke. The
# common name of a spoke's certificate is its name at the hub (__client_cn__). Call it again to add spokes or to renew.
# FOLDER/ca-key.pem makes new ones: keep it where neither the hub nor a spoke is. Valid for DAYS (default 825).
set -euo pipefail

if (($# < 3)); then
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
folder=$1 address=$2
shift 2
days=${DAYS:-825}
mkdir -p "$folder"
cd "$folder"
umask 077

key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
if [[ ! -e ca-key.pem ]]; then
  openssl req -x509 "${key[@]}" -keyout ca-key.pem -out ca.pem -days 3650 -subj "/CN=Skidway hub and spokes" 2>/dev/null
fi

# certificate NAME COMMON_NAME SUBJECT_ALT_NAME USAGE
certificate() {
  local request
  request=$(mktemp)
  openssl req "${key[@]}" -keyout "$1-key.pem.new" -out "$request" -subj "/CN=$2" 2>/dev/null
  openssl x509 -req -in "$request" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days "$days" -out "$1.pem.new" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=%s\nbasicConstraints=CA:FALSE\n' "$3" "$4") 2>/dev/null
  rm -f "$request"
  mv "$1-key.pem.new" "$1-key.pem"
  mv "$1.pem.new" "$1.pem"
}

kind=DNS
[[ $address =~ ^[0-9.]+$ || $address == *:* ]] && kind=IP
certificate hub "$address" "$kind:$address" serverAuth
for spoke in "$@"; do
  certificate "$spoke" "$spoke" "DNS:$spoke" clientAuth
done
chmod 644 ca.pem hub.pem
for spoke in "$@"; do chmod 644 "$spoke.pem"; done
