#!/bin/sh
# Makes turnserver.conf of its template and the environment, then runs the turnserver.
#
# Owns what a value may look like: whatever coturn would misread in silence (a network instead of a range, a comment, an
# option it does not know, a secret that everybody knows) ends here with one sentence and exit code 2.
set -eu

here=$(dirname "$0")
run=${TURN_RUN:-/run/turn}
configuration=$run/turnserver.conf
secret_least=16

wrong() {
  printf 'turn: %s\n' "$1" >&2
  exit 2
}

is_ipv4() {
  case $1 in '' | *[!0-9.]* | .* | *. | *..*) return 1 ;; esac
  before=$IFS
  IFS=.
  # shellcheck disable=SC2086 # splitting is what is wanted
  set -- $1
  IFS=$before
  [ $# -eq 4 ] || return 1
  for octet; do
    [ ${#octet} -le 3 ] && [ "$octet" -le 255 ] || return 1
  done
}

address() { # NAME VALUE
  is_ipv4 "$2" || wrong "$1=$2 is not an IPv4 address such as 203.0.113.7."
}

number() { # NAME VALUE
  case $2 in '' | *[!0-9]*) wrong "$1=$2 is not a number." ;; esac
}

secret() { # NAME: the value of NAME, or the content of the file that NAME_FILE names; empty when neither is set
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  [ -z "$value" ] || [ -z "$file" ] || wrong "$1 and $1_FILE are both set: keep one."
  if [ -n "$file" ]; then
    [ -r "$file" ] || wrong "$1_FILE=$file cannot be read."
    value=$(cat "$file")
    [ -n "$value" ] || wrong "$1_FILE=$file is blank: put the secret into it."
  fi
  case $value in
    '') return ;;
    changeme* | change-me* | secret | password) wrong "$1 is still the placeholder: run 'make secrets', or set a random one." ;;
    *[!A-Za-z0-9._~+/=-]*) wrong "$1 may have letters, digits and . _ ~ + / = - only: coturn takes the rest as a comment." ;;
  esac
  [ ${#value} -ge $secret_least ] || wrong "$1 is shorter than $secret_least characters: use a random one."
}

secret TURN_SECRET
[ -n "$value" ] || wrong "TURN_SECRET is not set: give it the same value as GATEWAY_TURN_SECRET."
secrets=$value
secret TURN_SECRET_PREVIOUS
secrets="$secrets $value"

public=${PUBLIC_IPV4:-}
[ -n "$public" ] || wrong "PUBLIC_IPV4 is not set: the address at which browsers reach this machine."
private=${PRIVATE_IPV4:-$public}
address PUBLIC_IPV4 "$public"
address PRIVATE_IPV4 "$private"

peers=$(printf %s "${TURN_PEERS:-$public,$private}" | tr ',' '\n' | sort -u)
[ -n "$peers" ] || wrong "TURN_PEERS is empty: name the addresses of the gateway."
for peer in $peers; do
  case $peer in
    *[!0-9.]*) wrong "TURN_PEERS has $peer: single IPv4 addresses of the gateway only; coturn passes over a network such as 10.0.0.0/8 in silence." ;;
    0.* | 127.* | 169.254.* | 22[4-9].* | 23?.* | 24?.* | 25?.*) wrong "TURN_PEERS has $peer, which is no gateway: a relay to it would open this machine or its neighbours to anyone." ;;
  esac
  address TURN_PEERS "$peer"
done

port=${TURN_PORT:-3478} tls_port=${TURN_TLS_PORT:-5349}
min_port=${TURN_MIN_PORT:-49160} max_port=${TURN_MAX_PORT:-49959}
user_quota=${TURN_USER_QUOTA:-12} total_quota=${TURN_TOTAL_QUOTA:-800} max_bps=${TURN_MAX_BPS:-300000}
for name in port tls_port min_port max_port user_quota total_quota max_bps; do
  eval "number TURN_$(printf %s "$name" | tr a-z A-Z) \"\$$name\""
done
[ $((max_port - min_port + 1)) -ge "$total_quota" ] ||
  wrong "TURN_MIN_PORT=$min_port to TURN_MAX_PORT=$max_port are fewer ports than TURN_TOTAL_QUOTA=$total_quota: each allocation needs one."
realm=${TURN_REALM:-gateway}
case $realm in *[!A-Za-z0-9.-]*) wrong "TURN_REALM=$realm may have letters, digits, dots and dashes only." ;; esac

# Never as public/private: coturn then lets everybody reach the private one, whatever the list of peers says.
external=
[ "$public" = "$private" ] || external=external-ip=$public

certificate=${TURN_CERT:-} key=${TURN_KEY:-}
tls=no-tls
if [ -n "$certificate" ]; then
  [ -n "$key" ] || wrong "TURN_CERT is set and TURN_KEY is not: TLS needs both."
  if [ -r "$certificate" ] && [ -r "$key" ]; then
    tls="tls-listening-port=$tls_port cert=$certificate pkey=$key"
  else
    printf 'turn: %s is not there yet: starting without TLS, and again as soon as it is.\n' "$certificate" >&2
  fi
fi

# One line of the template, once for each value of its name. Versions differ: an option marked "?" is left out where it is
# not known, and where its opposite has to be asked for; any other that is not known is an error.
help=$(turnserver --help 2>&1 || true)
known() { printf '%s\n' "$help" | grep -qE -e "--$1([^a-z0-9_-]|\$)"; }
write() { # LINE
  option=${1%%=*}
  case $option in
    '') ;;
    \?no-*) if known "${option#?}" && ! known "${option#?no-}"; then printf '%s\n' "${1#?}"; fi ;;
    *)
      known "$option" || wrong "this turnserver does not know the option $option: use the coturn that turn/Dockerfile names."
      printf '%s\n' "$1"
      ;;
  esac
}
render() {
  while IFS= read -r line; do
    case $line in
      '#'*) ;;
      *@SECRETS@*) for each in $secrets; do write "${line%@*@}$each"; done ;;
      *@PEERS@*) for each in $peers; do write "${line%@*@}$each"; done ;;
      @TLS@) for each in $tls; do write "$each"; done ;;
      @EXTERNAL@) write "$external" ;;
      *) write "$(printf %s "$line" | sed -e "s|@ADDRESS@|$private|; s|@PORT@|$port|" \
        -e "s|@MIN_PORT@|$min_port|; s|@MAX_PORT@|$max_port|; s|@REALM@|$realm|; s|@RUN@|$run|" \
        -e "s|@USER_QUOTA@|$user_quota|; s|@TOTAL_QUOTA@|$total_quota|; s|@MAX_BPS@|$max_bps|")" ;;
    esac
  done <"$here/turnserver.conf.template"
}
umask 077
render >"$configuration.new" || exit $?
if left=$(grep -m 1 '[@$]' "$configuration.new" | cut -d = -f 1) && [ -n "$left" ]; then
  wrong "the template has a name in $left that is filled in by nobody."
fi
mv "$configuration.new" "$configuration"

# Not exec: as the first process of a container coturn would not hear SIGTERM, and be killed when the time is up.
turnserver -c "$configuration" "$@" &
relay=$!
trap 'kill -TERM "$relay" 2>/dev/null' TERM INT

# A renewed certificate is read at SIGUSR2; the first one needs a new start, which the container's restart gives.
state() { cat "$certificate" "$key" 2>/dev/null | cksum; }
watch() {
  was=$(state)
  while sleep "${TURN_CERT_LOOK_S:-60}" && kill -0 "$relay" 2>/dev/null; do
    is=$(state)
    [ "$is" != "$was" ] || continue
    was=$is
    [ -r "$certificate" ] && [ -r "$key" ] || continue
    if [ "$tls" = no-tls ]; then kill -TERM "$relay"; else kill -USR2 "$relay"; fi
  done
}
[ -z "$certificate" ] || watch &

# A signal ends `wait` before the relay has ended.
code=0
wait "$relay" || code=$?
while kill -0 "$relay" 2>/dev/null; do
  code=0
  wait "$relay" || code=$?
done
exit "$code"
