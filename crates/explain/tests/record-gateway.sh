#!/usr/bin/env bash
# Records the stock OpenVPN with a gateway of Handfast, by UDP: record-gateway.sh FOLDER HANDFAST
#
#   gateway --- router --- client     each in a network namespace of its own
#
# A gateway hands its kernel several datagrams at once (UDP_SEGMENT), and takes several at once (UDP_GRO). So a capture
# on its interface has frames with several datagrams, and one behind the router, which cuts them, has each by itself:
# NAME.pcap is the former and NAME.cut the latter, of the same session. It needs root, ethtool, python3 and tcpdump.
set -eu
out=$(realpath "$1") handfast=$(realpath "$2")
name=openvpn-udp-sha256-offload
work=$(mktemp -d)
id=hf$$
in_() { local where=$1; shift; ip netns exec "$id-$where" "$@"; }
running=
stop() {
  for one in $running; do kill "$one" 2>/dev/null || true; done
  sleep 0.3
  for where in gateway router client; do ip netns del "$id-$where" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT

for where in gateway router client; do ip netns add "$id-$where"; in_ "$where" ip link set lo up; done
ip -n "$id-gateway" link add outer type veth peer name near netns "$id-router"
ip -n "$id-router" link add far type veth peer name outer netns "$id-client"
ip -n "$id-gateway" addr add 192.0.2.1/30 dev outer
ip -n "$id-router" addr add 192.0.2.2/30 dev near
ip -n "$id-router" addr add 198.51.100.1/30 dev far
ip -n "$id-client" addr add 198.51.100.2/30 dev outer
for link in gateway:outer router:near router:far client:outer; do ip -n "$id-${link%:*}" link set "${link#*:}" up; done
ip -n "$id-gateway" route add default via 192.0.2.2
ip -n "$id-client" route add default via 198.51.100.1
in_ router sysctl -qw net.ipv4.ip_forward=1
in_ router ethtool -K far tx-udp-segmentation off
in_ router ethtool -K near gro off
in_ gateway ethtool -K outer gro on

mkdir "$work/data"
export HANDFAST_DATA=$work/data
ip netns exec "$id-gateway" "$handfast" up --public 192.0.2.1 --state "$work/state" > "$work/gateway.log" 2>&1 & running="$running $!"
for _ in $(seq 300); do grep -q "the gateway is up" "$work/gateway.log" && break; sleep 0.1; done
"$handfast" user add alice > /dev/null
"$handfast" profile alice --out "$work/profiles" > /dev/null
profile=$(ls "$work"/profiles/*linux*.ovpn)

ip netns exec "$id-gateway" tcpdump -i outer --immediate-mode -U -w "$work/near.pcap" udp port 1194 2> "$work/near.log" & near=$!
ip netns exec "$id-router" tcpdump -i far --immediate-mode -U -w "$work/far.pcap" udp port 1194 2> "$work/far.log" & far=$!
running="$running $near $far"
for log in near far; do for _ in $(seq 100); do grep -q listening "$work/$log.log" && break; sleep 0.02; done; done
ip netns exec "$id-client" openvpn --config "$profile" --dev-type tun --dev tun --verb 3 > "$work/client.log" 2>&1 & client=$!
running="$running $client"
for _ in $(seq 300); do grep -q "Initialization Sequence Completed" "$work/client.log" && break; sleep 0.05; done
# An answer of some segments of TCP, which the tunnel gets as one and sends as one.
mkdir "$work/web"; head -c 9000 /dev/urandom > "$work/web/file"
ip netns exec "$id-gateway" python3 -m http.server --bind 10.71.0.1 --directory "$work/web" 8000 > "$work/web.log" 2>&1 & running="$running $!"
for _ in $(seq 100); do in_ gateway ss -Hltn "sport = :8000" | grep -q . && break; sleep 0.1; done
in_ client timeout 5 bash -c 'exec 3<>/dev/tcp/10.71.0.1/8000; printf "GET /file HTTP/1.0\r\n\r\n" >&3; cat <&3 > /dev/null'
kill -INT "$client"; wait "$client" || true
sleep 0.3
kill -INT "$near" "$far"; wait "$near" "$far" || true
cp "$work/near.pcap" "$out/$name.pcap"
cp "$work/far.pcap" "$out/$name.cut"
# The key of its tls-auth, as a key file has it.
sed -n '/<tls-auth>/,/<\/tls-auth>/p' "$profile" | sed '1d;$d' > "$out/$name.ta"
[ -z "${KEEP:-}" ] || cp -r "$work" "$KEEP"
