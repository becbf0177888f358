#!/usr/bin/env bash
# Records sessions of the stock OpenVPN with itself: record-openvpn.sh FOLDER [CASE...]
#
# Every case is NAME.pcap; its keys are known to nobody, since this program writes no key log. It runs in a
# network namespace of its own. Signs of life are data packets as well, so nothing else is sent.
#
# SID_ROOT is an unpacked Debian sid, whose program is used for the cases named hybrid: its OpenSSL agrees on the
# secret by X25519MLKEM768. Without it they are left out.
set -u
out=$1; shift
only="$*"
mkdir -p "$out/vpn"
ip link set lo up
cd "$out/vpn" || exit 1

leaf() { # NAME USAGE
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr" 2>/dev/null
  printf 'keyUsage=digitalSignature\nextendedKeyUsage=%s\n' "$2" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
}
if [ ! -e server.crt ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key 2>/dev/null
  openssl req -x509 -new -key ca.key -subj "/CN=Recorded VPN CA" -days 30 -out ca.crt 2>/dev/null
  leaf server serverAuth; leaf client clientAuth
  # With the key of recordings that are there already, one key is enough for all.
  if [ -e ../ta.key ]; then cp ../ta.key .; else openvpn --genkey secret ta.key; fi
  openvpn --genkey secret other.key
  openvpn --genkey tls-crypt-v2-server v2-server.key
  openvpn --tls-crypt-v2 v2-server.key --genkey tls-crypt-v2-client v2-client.key
fi

port=21000
run() { # NAME SECONDS TRANSPORT "SERVER OPTIONS" "CLIENT OPTIONS"
  name=$1 seconds=$2 transport=$3 server=$4 client=$5
  port=$((port + 1))
  if [ -n "$only" ] && ! grep -qw -- "$name" <<< "$only"; then return; fi
  program=openvpn
  case $name in *hybrid*)
    [ -n "${SID_ROOT:-}" ] || return 0
    program="env OPENSSL_CONF=/dev/null $SID_ROOT/usr/lib64/ld-linux-x86-64.so.2 --library-path $SID_ROOT/usr/lib/x86_64-linux-gnu $SID_ROOT/usr/sbin/openvpn";;
  esac
  # A lost packet is one that was sent and captured, and not received.
  case $name in *loss*)
    nft "add table inet loss; add chain inet loss in { type filter hook input priority 0; }"
    nft "add rule inet loss in udp dport $port numgen inc mod 7 == 3 drop; add rule inet loss in udp sport $port numgen inc mod 7 == 2 drop";;
  esac
  (
  : > "$name.dump"
  tcpdump --immediate-mode -U -i lo -w "../$name.pcap" "port $port and (udp or tcp)" 2> "$name.dump" & dump=$!
  for _ in $(seq 100); do grep -q listening "$name.dump" && break; sleep 0.02; done
  common="--dev rec$port --dev-type tun --verb 3 --ca ca.crt --local 127.0.0.1 --port $port --ping 1"
  [ "$transport" = tcp ] && { st="--proto tcp-server"; ct="--proto tcp-client"; } || { st="--proto udp"; ct="--proto udp"; }
  serving=
  if [ "$server" != none ]; then
    $program ${common} $st --server 10.200.$((port - 21000)).0 255.255.255.0 --topology subnet --dh none --cert server.crt --key server.key $server > "$name.server" 2>&1 & serving=$!
    for _ in $(seq 100); do grep -q "Initialization Sequence Completed" "$name.server" && break; sleep 0.02; done
  fi
  timeout -s INT "$seconds" $program --dev null --verb 3 --ca ca.crt --nobind --remote 127.0.0.1 $port $ct --ping 1 --tls-client --pull --cert client.crt --key client.key --connect-retry 30 --route-noexec --ifconfig-noexec $client > "$name.client" 2>&1
  sleep 0.2
  [ -n "$serving" ] && { kill "$serving" 2>/dev/null; wait "$serving" 2>/dev/null; }
  sleep 0.1
  kill -INT $dump; wait $dump 2>/dev/null
  : > "../$name.keys"
  ) &
}

run openvpn-udp-plain 3 udp "" ""
run openvpn-tcp-plain 3 tcp "" ""
for digest in sha1 sha256 sha512; do
  run openvpn-udp-$digest 3 udp "--auth $digest --tls-auth ta.key 0" "--auth $digest --tls-auth ta.key 1"
  run openvpn-tcp-$digest 3 tcp "--auth $digest --tls-auth ta.key 0" "--auth $digest --tls-auth ta.key 1"
done
# Encrypted from the first packet on, with one key for all and with one for each client.
run openvpn-udp-crypt 3 udp "--tls-crypt ta.key" "--tls-crypt ta.key"
run openvpn-tcp-crypt 3 tcp "--tls-crypt ta.key" "--tls-crypt ta.key"
run openvpn-udp-crypt-renewed 12 udp "--tls-crypt ta.key --reneg-sec 4" "--tls-crypt ta.key"
run openvpn-udp-crypt-v2 3 udp "--tls-crypt-v2 v2-server.key" "--tls-crypt-v2 v2-client.key"
run openvpn-tcp-crypt-v2 3 tcp "--tls-crypt-v2 v2-server.key" "--tls-crypt-v2 v2-client.key"
for transport in udp tcp; do
  run openvpn-$transport-plain-hybrid 3 $transport "" ""
  run openvpn-$transport-sha256-hybrid 3 $transport "--auth sha256 --tls-auth ta.key 0" "--auth sha256 --tls-auth ta.key 1"
  run openvpn-$transport-crypt-hybrid 3 $transport "--tls-crypt ta.key" "--tls-crypt ta.key"
done
run openvpn-udp-sha256-hybrid-renewed 12 udp "--auth sha256 --tls-auth ta.key 0 --reneg-sec 4" "--auth sha256 --tls-auth ta.key 1"
run openvpn-udp-sha256-hybrid-loss 12 udp "--auth sha256 --tls-auth ta.key 0" "--auth sha256 --tls-auth ta.key 1"
run openvpn-udp-sha256-wrong-key 4 udp "--auth sha256 --tls-auth ta.key 0" "--auth sha256 --tls-auth other.key 1"
run openvpn-udp-sha256-wrong-direction 4 udp "--auth sha256 --tls-auth ta.key 0" "--auth sha256 --tls-auth ta.key 0"
run openvpn-udp-sha256-blocked 4 udp none "--auth sha256 --tls-auth ta.key 1"
run openvpn-udp-sha256-tls12 3 udp "--auth sha256 --tls-auth ta.key 0 --tls-version-max 1.2" "--auth sha256 --tls-auth ta.key 1"
run openvpn-udp-sha256-renewed 16 udp "--auth sha256 --tls-auth ta.key 0 --reneg-sec 5" "--auth sha256 --tls-auth ta.key 1"
run openvpn-udp-sha256-loss 16 udp "--auth sha256 --tls-auth ta.key 0 --reneg-sec 6" "--auth sha256 --tls-auth ta.key 1"
wait
cp ta.key other.key .. 2>/dev/null
exit 0
