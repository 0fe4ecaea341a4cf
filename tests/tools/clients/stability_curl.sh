#!/bin/sh
# Asks the API of Stability for a model with curl.
#
# sh tests/tools/clients/stability_curl.sh URL IMAGE OUTPUT [KEY [ENGINE [NAME=VALUE ...]]]
#
# It knows nothing of meshmemo. Takes everything but a 200 for a failure, and prints what the server
# says of it. Prints one line of JSON: the status, the type and the size of the answer.
set -eu

url=${1%/}
image=$2
output=$3
key=${4:-sk-test}
engine=${5:-stable-fast-3d}
if [ $# -gt 5 ]; then shift 5; else set --; fi
for field; do
    shift
    set -- "$@" --form-string "$field"
done

# The server is on the same host: no proxy of the environment is to come between.
curl --silent --show-error --fail-with-body --noproxy '*' \
    --header "authorization: Bearer $key" --form "image=@$image" "$@" --output "$output" \
    --write-out '{"status": %{http_code}, "type": "%{content_type}", "bytes": %{size_download}}\n' \
    "$url/v2beta/3d/$engine" || {
    code=$?
    cat "$output" >&2
    rm -f "$output"
    exit $code
}
