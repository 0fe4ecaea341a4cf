#!/bin/sh
# Has an ORFEAS studio make a model with curl: upload, generate, poll, download, and once more in
# base64.
#
# sh tests/tools/clients/orfeas_curl.sh URL IMAGE OUTPUT [FORMAT]
#
# It knows nothing of meshmemo. Follows the studio's `download_url`. Prints one line of JSON: what
# each step answered. Any status but a 200, a job that fails, and two downloads that differ end it.
set -eu

url=${1%/}
image=$2
output=$3
format=${4:-glb}

# The server is on the same host: no proxy of the environment is to come between.
fetch() {
    curl --silent --show-error --fail-with-body --noproxy '*' "$@"
}

# Prints a field of the JSON object on standard input.
field() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

uploaded=$(fetch --form "image=@$image" "$url/api/upload-image") || {
    echo "Upload failed: $uploaded" >&2
    exit 1
}
job=$(echo "$uploaded" | field job_id)
begun=$(fetch --json "{\"job_id\": \"$job\", \"format\": \"$format\"}" "$url/api/generate-3d") || {
    echo "Generation failed: $begun" >&2
    exit 1
}
while :; do
    status=$(fetch "$url/api/job-status/$job") || {
        echo "No status: $status" >&2
        exit 1
    }
    case $(echo "$status" | field status) in
    completed) break ;;
    failed)
        echo "Generation failed: $status" >&2
        exit 1
        ;;
    esac
    sleep 0.05
done
path=$(echo "$status" | field download_url)
fetch --output "$output" "$url$path"
wrapped="$output.base64.json"
trap 'rm -f "$wrapped" "$wrapped.model"' EXIT
fetch --output "$wrapped" "$url$(echo "$path" | sed 's#^/api/download/#/api/download-base64/#')"
field data <"$wrapped" | base64 -d >"$wrapped.model"
cmp "$wrapped.model" "$output"
echo "{\"upload\": $uploaded, \"generate\": $begun, \"status\": $status}" | tr -d '\n'
echo
