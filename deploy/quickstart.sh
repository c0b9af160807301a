#!/usr/bin/env bash
# From nothing to a query result: installs packages, builds, starts a server and an agent on this machine, and shows the first result.
# Stays in the foreground until Ctrl-C.
#
#   deploy/quickstart.sh [--logs DIR] [--data DIR] [--port N] [--once]
#
#   --logs DIR   read this tree of pod logs (default /var/log/pods; where there is none, sample CRI files are written)
#   --data DIR   where server and agent keep their data (default ./skidway-data)
#   --port N     port of the server (default 3100; the agent takes N + 5980, 9080 by default)
#   --once       show one query result, stop, exit 0
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
logs=/var/log/pods logs_given=no data="$PWD/skidway-data" port=3100 once=no

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }
fail() { echo "quickstart: $*" >&2; exit 1; }
while (($#)); do
  case "$1" in
    --logs) logs=$(realpath -m "${2:?--logs needs a folder}"); logs_given=yes; shift 2 ;;
    --data) data=$(realpath -m "${2:?--data needs a folder}"); shift 2 ;;
    --port) port=${2:?--port needs a number}; shift 2 ;;
    --once) once=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "quickstart: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done
[[ "$port" =~ ^[0-9]+$ ]] && ((port > 0 && port < 59000)) || fail "--port takes a number from 1 to 58999, not \"$port\""
agent_port=$((port + 5980))

started=()
stop_all() {
  trap - EXIT INT TERM
  # Agent first, so that what it has read is delivered before the server goes.
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill -TERM "${started[i]}" 2>/dev/null && wait "${started[i]}" 2>/dev/null || true
  done
}
trap stop_all EXIT
trap 'exit 0' INT TERM

"$root/deploy/setup.sh"
echo "quickstart: building (some minutes the first time)"
cd "$root"
[[ -f build/build.ninja ]] || meson setup build --buildtype=release >/dev/null
ninja -C build --quiet agent/skidway-agent server/skidway-server server/cli/skidway

mkdir -p "$data"
sample=()
if [[ $logs_given == no && -z "$(find -L "$logs" -name '*.log' -print -quit 2>/dev/null)" ]]; then
  logs="$data/pods"
  echo "quickstart: there are no pod logs in /var/log/pods, so sample CRI files are written to $logs"
  sample=(python3 "$root/deploy/sample_pods.py" "$logs")
  "${sample[@]}" --lines 200
elif [[ ! -d "$logs" ]]; then
  fail "--logs $logs: no such folder"
fi

cat >"$data/server.toml" <<TOML
data_dir = "$data/server"

[http]
listen = "127.0.0.1:$port"

[retention]
period = "0"
TOML
cat >"$data/agent.toml" <<TOML
data_dir = "$data/agent"

[http]
listen = "127.0.0.1:$agent_port"

[[source]]
name = "pods"
type = "kubernetes"
path = "$logs"
api = "none"

[[source.stage]]
type = "cri"

[[sink]]
name = "local"
type = "loki"
url = "http://127.0.0.1:$port/loki/api/v1/push"
TOML

run() { # NAME PORT COMMAND...: starts it and waits until it is ready
  local name=$1 at=$2
  shift 2
  "$@" 2>>"$data/$name.log" &
  local pid=$!
  started+=("$pid")
  for ((i = 0; i < 200; i++)); do
    kill -0 "$pid" 2>/dev/null || { tail -n 5 "$data/$name.log" >&2; fail "skidway-$name stopped; its log is $data/$name.log"; }
    if exec 3<>"/dev/tcp/127.0.0.1/$at"; then
      printf 'GET /ready HTTP/1.0\r\n\r\n' >&3
      if read -r -t 2 status <&3 && [[ "$status" == *" 200 "* ]]; then exec 3>&-; return; fi
      exec 3>&-
    fi 2>/dev/null
    sleep 0.05
  done
  fail "skidway-$name was not ready within 10 s; its log is $data/$name.log"
}
run server "$port" build/server/skidway-server --config "$data/server.toml"
run agent "$agent_port" build/agent/skidway-agent --config "$data/agent.toml"
[[ $once == no && ${#sample[@]} -gt 0 ]] && { "${sample[@]}" --follow & started+=("$!"); }

query='{namespace=~".+"}'
result=""
for ((i = 0; i < 150; i++)); do
  result=$(build/server/cli/skidway query "$query" --addr "http://127.0.0.1:$port" --since 720h --limit 10 2>>"$data/query.log") && [[ -n "$result" ]] && break
  sleep 0.2
done
[[ -n "$result" ]] || fail "no line of $logs could be queried within 30 s; logs are in $data"

echo
echo "\$ build/server/cli/skidway query '$query' --addr http://127.0.0.1:$port --limit 10"
echo "$result"
echo
[[ $once == yes ]] && exit 0
cat <<TXT
Your logs:     $logs
Ask again:     build/server/cli/skidway query '{namespace=~".+"} |= "error"' --addr http://127.0.0.1:$port
Count:         build/server/cli/skidway instant 'sum by (namespace) (count_over_time({namespace=~".+"}[5m]))' --addr http://127.0.0.1:$port
Grafana:       add a Loki data source with the address http://127.0.0.1:$port
Agent:         http://127.0.0.1:$agent_port/targets
Stop:          Ctrl-C
TXT
wait
