#!/bin/sh
# Publishes the documents of a folder into Nacos, group PARLEY, once: what is there already stays, for operators edit it.
#   NACOS_URL=http://nacos:8848/nacos NACOS_PASSWORD=... publish.sh DIR
# On a new Nacos, which has no password yet, it sets this one. Needs curl alone.
set -eu
dir=${1:?the folder of documents is missing}
url=${NACOS_URL:?NACOS_URL is missing, as in http://nacos:8848/nacos}
: "${NACOS_PASSWORD:?NACOS_PASSWORD is missing}"
wait=${NACOS_WAIT:-180} # seconds until it must be up

# api METHOD PATH OPTION... prints the body and, on a last line of its own, the status (000: no answer).
api() {
	method=$1 path=$2
	shift 2
	curl -sS -m 10 -X "$method" -w '\n%{http_code}' "$@" "$url$path" 2>/dev/null || true
}
# The password comes on standard input, so that no list of processes shows it.
login() { printf %s "$NACOS_PASSWORD" | api POST /v3/auth/user/login --data-urlencode username=nacos --data-urlencode password@-; }
initialise() { printf %s "$NACOS_PASSWORD" | api POST /v3/auth/user/admin --data-urlencode password@-; }
status() { printf '%s\n' "$1" | tail -n 1; }

token=
until [ -n "$token" ]; do
	answer=$(login)
	token=$(printf '%s' "$answer" | sed -n 's/.*"accessToken" *: *"\([^"]*\)".*/\1/p')
	[ -n "$token" ] && break
	if [ "$wait" -le 0 ]; then
		echo "publish: no login at $url as nacos, status $(status "$answer"): is NACOS_PASSWORD the one that was set at first?" >&2
		exit 1
	fi
	[ "$(status "$answer")" = 000 ] || initialise >/dev/null # refused once a password is set
	sleep 2
	wait=$((wait - 2))
done

for file in "$dir"/*.yaml; do
	id=$(basename "$file" .yaml)
	document="dataId=$id&groupName=PARLEY"
	case $(status "$(api GET "/v3/admin/cs/config?$document" -H "accessToken: $token")") in
	200)
		echo "publish: $id is there already"
		continue
		;;
	404) ;;
	*)
		echo "publish: cannot read $id" >&2
		exit 1
		;;
	esac
	answer=$(api POST "/v3/admin/cs/config?$document&type=yaml" -H "accessToken: $token" --data-urlencode "content@$file")
	if [ "$(status "$answer")" != 200 ]; then
		echo "publish: $id was refused: $answer" >&2
		exit 1
	fi
	echo "publish: $id"
done
