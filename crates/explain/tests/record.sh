#!/usr/bin/env bash
# Records TLS handshakes of OpenSSL with OpenSSL: record.sh FOLDER [CASE...]
#
# Every case is NAME.pcap with NAME.keys beside it. It runs in a network namespace of its own
# (`unshare --net`), so its ports meet nobody's, and nothing leaves the machine.
set -u
out=$1; shift
only="$*"
mkdir -p "$out/pki"
ip link set lo up
cd "$out/pki" || exit 1

make_key() { case $1 in rsa) openssl genrsa -out "$2" 2048;; rsa1024) openssl genrsa -out "$2" 1024;; p384) openssl ecparam -name secp384r1 -genkey -noout -out "$2";; *) openssl ecparam -name prime256v1 -genkey -noout -out "$2";; esac 2>/dev/null; }
make_ca() { # NAME KIND
  make_key "$2" "$1.key"
  openssl req -x509 -new -key "$1.key" -subj "/O=Recorded/CN=CA $1" -days 30 -out "$1.crt" -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}
make_leaf() { # CA KIND NAME SUBJECT EXTENSION DAYS
  make_key "$2" "$3.key"
  openssl req -new -key "$3.key" -subj "$4" -out "$3.csr" 2>/dev/null
  printf '%s\n' "$5" > "$3.ext"
  openssl x509 -req -in "$3.csr" -CA "$1.crt" -CAkey "$1.key" -CAcreateserial -days "$6" -extfile "$3.ext" -out "$3.crt" 2>/dev/null
}
make_timed() { # CA KIND NAME SUBJECT EXTENSION FROM UNTIL, as date says both
  make_key "$2" "$3.key"
  openssl req -new -key "$3.key" -subj "$4" -out "$3.csr" 2>/dev/null
  printf '%s\n' "$5" > "$3.ext"
  printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s.timed\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\norganizationName=optional\n' "$3" > "$3.cnf"
  : > "$3.timed"
  openssl ca -batch -notext -config "$3.cnf" -cert "$1.crt" -keyfile "$1.key" -in "$3.csr" -extfile "$3.ext" -out "$3.crt" \
    -startdate "$(date -u -d "$6" +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$7" +%Y%m%d%H%M%SZ)" >/dev/null 2>&1
}
for kind in rsa p256; do
  [ -e $kind-server.crt ] && continue
  make_ca $kind $kind
  make_leaf $kind $kind $kind-server "/CN=www.recorded.example" "subjectAltName=DNS:www.recorded.example,IP:127.0.0.1" 30
  make_leaf $kind $kind $kind-client "/O=users/CN=alice" "extendedKeyUsage=clientAuth" 30
  # The time of two is over, and that of one ends within a day.
  names="subjectAltName=DNS:www.recorded.example,IP:127.0.0.1"
  make_timed $kind $kind $kind-over-server "/CN=www.recorded.example" "$names" "-60 days" "-1 day"
  make_timed $kind $kind $kind-over-client "/O=users/CN=alice" "extendedKeyUsage=clientAuth" "-60 days" "-1 day"
  make_timed $kind $kind $kind-today-server "/CN=www.recorded.example" "$names" "-30 days" "+12 hours"
  # A list on which both are.
  printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s.revoked\ndefault_md=sha256\ndefault_crl_days=20\n' $kind > $kind.cnf
  : > $kind.revoked
  for name in server client; do
    openssl ca -config $kind.cnf -cert $kind.crt -keyfile $kind.key -revoke $kind-$name.crt >/dev/null 2>&1
  done
  openssl ca -config $kind.cnf -cert $kind.crt -keyfile $kind.key -gencrl -out $kind.crl >/dev/null 2>&1
  # An answer of the CA about the server's certificate, signed by itself.
  serial=$(openssl x509 -in $kind-server.crt -noout -serial | cut -d= -f2)
  until=$(date -u -d '+20 days' +%y%m%d%H%M%SZ)
  printf 'V\t%s\t\t%s\tunknown\t/CN=www.recorded.example\n' "$until" "$serial" > $kind.index
  openssl ocsp -issuer $kind.crt -cert $kind-server.crt -reqout $kind.req >/dev/null 2>&1
  openssl ocsp -index $kind.index -CA $kind.crt -rsigner $kind.crt -rkey $kind.key -reqin $kind.req -ndays 7 -respout $kind.ocsp >/dev/null 2>&1
  # The same where it says no, and where it knows of none.
  printf 'R\t%s\t%s\t%s\tunknown\t/CN=www.recorded.example\n' "$until" "$(date -u +%y%m%d%H%M%SZ)" "$serial" > $kind.revoked-index
  : > $kind.unknown-index
  for answer in revoked unknown; do
    openssl ocsp -index $kind.$answer-index -CA $kind.crt -rsigner $kind.crt -rkey $kind.key -reqin $kind.req -ndays 3 -respout $kind.$answer-ocsp >/dev/null 2>&1
  done
done
for kind in rsa1024 p384; do
  [ -e $kind-server.crt ] || make_leaf rsa $kind $kind-server "/CN=www.recorded.example" "subjectAltName=DNS:www.recorded.example" 30
done
# What a web server answers.
printf 'HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=31536000\r\n\r\nhello\n' > hsts
printf 'HTTP/1.1 204 No Content\r\n\r\n' > no-hsts
cd "$out" || exit 1

# A server without input would leave at once; this input never comes.
mkfifo idle 2>/dev/null
exec 9<>idle
port=20000
run() { # NAME "SERVER OPTIONS" "CLIENT OPTIONS" [LINES]
  port=$((port + 1))
  if [ -n "$only" ] && ! grep -qw -- "$1" <<< "$only"; then return; fi
  record "$port" "${again:-}" "$@" &
  # They wait most of the time.
  [ "$(jobs -rp | wc -l)" -lt 6 ] || wait -n
}
record() { # PORT "OPTIONS OF A SECOND CLIENT" NAME "SERVER OPTIONS" "CLIENT OPTIONS" [LINES]
  port=$1 again=$2 name=$3 server=$4 client=$5 input=${6:-Q}
  rm -f "$name.pcap"
  watch
  openssl s_server -accept $port -quiet $server > "$name.server" 2>&1 <&9 & serving=$!
  for _ in $(seq 1500); do ss -Hltn "sport = :$port" | grep -q . && break; sleep 0.02; done
  talk "$client"
  if [ -n "$again" ]; then
    # The second connection alone is of interest: it takes the first one's session up.
    kill -INT $dump; wait $dump 2>/dev/null
    watch
    talk "$again"
  fi
  sleep 0.05
  kill $serving 2>/dev/null; wait $serving 2>/dev/null
  kill -INT $dump; wait $dump 2>/dev/null
  rm -f "$name.dump" "$name.server" "$name.client"
}
watch() {
  : > "$name.keys"; : > "$name.dump"
  tcpdump --immediate-mode -U -i lo -w "$name.pcap" "tcp port $port" 2> "$name.dump" 9<&- & dump=$!
  for _ in $(seq 1500); do grep -q listening "$name.dump" && break; sleep 0.02; done
}
talk() { # OPTIONS
  { sleep 0.15; printf '%b\n' "$input" | while read -r line; do echo "$line"; sleep 0.1; done; } |
    timeout 30 openssl s_client -connect 127.0.0.1:$port -keylogfile "$name.keys" $1 > "$name.client" 2>&1 9<&-
}

for kind in rsa p256; do
  s="-cert pki/$kind-server.crt -key pki/$kind-server.key"
  c="-CAfile pki/$kind.crt -servername www.recorded.example"
  mutual="-Verify 2 -CAfile pki/$kind.crt"
  shows="-cert pki/$kind-client.crt -key pki/$kind-client.key"
  other=$([ $kind = rsa ] && echo p256 || echo rsa)
  for version in tls1_2 tls1_3; do
    n=$version-$kind
    run $n "$s -$version" "$c -$version"
    run $n-mutual "$s -$version $mutual" "$c -$version $shows"
    run $n-nobody "$s -$version -verify 2 -CAfile pki/$kind.crt" "$c -$version"
    run $n-staple "$s -$version -status_file pki/$kind.ocsp" "$c -$version -status"
    run $n-alpn "$s -$version -alpn h2,http/1.1" "$c -$version -alpn http/1.1"
    run $n-data "$s -$version" "$c -$version" 'hello\nQ'
    again="$c -$version -sess_in $out/$n.session" run $n-resumed "$s -$version" "$c -$version -sess_out $out/$n.session"
    run $n-unknown-ca "$s -$version" "-CAfile pki/$other.crt -verify_return_error -$version"
    run $n-other-ca "$s -$version $mutual -verify_return_error" "$c -$version -cert pki/$other-client.crt -key pki/$other-client.key"
    run $n-required "$s -$version $mutual -verify_return_error" "$c -$version"
    run $n-unlogged "$s -$version" "$c -$version"
  done
  for answer in revoked unknown; do
    run tls1_2-$kind-staple-$answer "$s -tls1_2 -status_file pki/$kind.$answer-ocsp" "$c -tls1_2 -status"
    run tls1_3-$kind-staple-$answer "$s -status_file pki/$kind.$answer-ocsp" "$c -tls1_3 -status"
  done
  for page in hsts no-hsts; do
    run tls1_3-$kind-$page "$s -HTTP" "$c -tls1_3" "GET /pki/$page HTTP/1.0\\r\n"
  done
  for suite in TLS_AES_128_GCM_SHA256 TLS_CHACHA20_POLY1305_SHA256; do
    run tls1_3-$kind-$suite "$s" "$c -tls1_3 -ciphersuites $suite"
  done
  auth=$([ $kind = rsa ] && echo RSA || echo ECDSA)
  for suite in ECDHE-$auth-AES128-GCM-SHA256 ECDHE-$auth-CHACHA20-POLY1305; do
    run tls1_2-$kind-$suite "$s -tls1_2" "$c -tls1_2 -cipher $suite"
  done
  # The usual refusals of a certificate, by either side.
  later=$(( $(date +%s) + 60 * 86400 ))
  run $kind-expired-server "$s" "$c -tls1_3 -attime $later -verify_return_error"
  run $kind-expired-client "$s $mutual -attime $later -verify_return_error" "$c -tls1_3 $shows"
  tomorrow=$(( $(date +%s) + 86400 ))
  run $kind-over-server "-cert pki/$kind-over-server.crt -key pki/$kind-over-server.key" "$c -tls1_3 -verify_return_error"
  run $kind-over-client "$s $mutual -verify_return_error" "$c -tls1_3 -cert pki/$kind-over-client.crt -key pki/$kind-over-client.key"
  run $kind-clock-ahead "-cert pki/$kind-today-server.crt -key pki/$kind-today-server.key" "$c -tls1_3 -attime $tomorrow -verify_return_error"
  run $kind-wrong-name "$s" "$c -tls1_3 -verify_hostname other.example -verify_return_error"
  run $kind-revoked-server "$s" "$c -tls1_3 -crl_check -CRL pki/$kind.crl -verify_return_error"
  run $kind-revoked-client "$s $mutual -crl_check -CRL pki/$kind.crl -verify_return_error" "$c -tls1_3 $shows"
  # A hash that is not the usual one of the curve, which TLS 1.2 allows.
  [ $kind = p256 ] && run tls1_2-p256-hash384 "$s -tls1_2" "$c -tls1_2 -sigalgs ECDSA+SHA384:ECDSA+SHA256"
  # Without an AEAD, and with the code behind what is encrypted or inside it.
  run tls1_2-$kind-cbc-behind "$s -tls1_2" "$c -tls1_2 -cipher ECDHE-$auth-AES128-SHA256" 'hello\nQ'
  run tls1_2-$kind-cbc-inside "$s -tls1_2 -no_etm" "$c -tls1_2 -cipher ECDHE-$auth-AES128-SHA256" 'hello\nQ'
  run tls1_2-$kind-cbc384-inside "$s -tls1_2 -no_etm" "$c -tls1_2 -cipher ECDHE-$auth-AES256-SHA384"
  run tls1_2-$kind-cbc1-behind "$s -tls1_2" "$c -tls1_2 -cipher ECDHE-$auth-AES256-SHA"
  run tls1_2-$kind-cbc1-inside "$s -tls1_2 -no_etm" "$c -tls1_2 -cipher ECDHE-$auth-AES128-SHA"
  run tls1_2-$kind-cbc-unlogged "$s -tls1_2" "$c -tls1_2 -cipher ECDHE-$auth-AES128-SHA256"
  run tls1_3-$kind-retry "$s -groups P-384" "$c -tls1_3 -groups X25519:P-384"
  run tls1_3-$kind-retry-mutual "$s -groups P-521 $mutual" "$c -tls1_3 -groups X25519:P-521 $shows"
  run tls1_3-$kind-update "$s" "$c -tls1_3" 'K\nhello\nk\nhello\nQ'
  run $kind-no-version "$s -tls1_3" "$c -tls1_2"
  run $kind-no-cipher "$s -tls1_2 -cipher ECDHE-$auth-AES256-GCM-SHA384" "$c -tls1_2 -cipher ECDHE-$auth-AES128-GCM-SHA256"
  run $kind-no-protocol "$s -alpn h2" "$c -alpn imap"
  run $kind-old-group "$s -groups P-256" "$c -tls1_3 -groups X448"
done
# A key that is too short for today's libraries, and that old servers have still.
weak="-cert pki/rsa1024-server.crt -key pki/rsa1024-server.key -cipher ALL:@SECLEVEL=0"
old="-CAfile pki/rsa.crt -servername www.recorded.example -cipher ALL:@SECLEVEL=0"
run tls1_3-rsa1024 "$weak" "$old -tls1_3"
run tls1_2-rsa1024 "$weak -tls1_2" "$old -tls1_2 -sigalgs RSA-PSS+SHA256:RSA+SHA256"
run tls1_2-rsa1024-pkcs1 "$weak -tls1_2" "$old -tls1_2 -sigalgs RSA+SHA256"
run tls1_2-p384-hash256 "-cert pki/p384-server.crt -key pki/p384-server.key -tls1_2" "$old -tls1_2 -sigalgs ECDSA+SHA256"
wait
for keys in *-unlogged.keys; do [ -e "$keys" ] && : > "$keys"; done
rm -f "$out"/*.session idle
exit 0
