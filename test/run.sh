#!/usr/bin/env bash
# Runs a suite and fails when it ran no test: on Node 20 a quoted glob matches nothing, and passes.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:-unit}
concurrency=1
case "$suite" in
  unit) mapfile -t files < <(find test -name '*.test.ts' -not -path 'test/slow/*' -not -path 'test/clients/*' | sort) ;;
  slow) mapfile -t files < <(find test/slow -name '*.test.ts' | sort) ;;
  clients) mapfile -t files < <(find test/clients -name '*.test.ts' | sort) ;;
  # The same clients over blobs and site in a bucket; what is about buckets, or about no server of ours, runs once.
  clients-in-bucket)
    mapfile -t files < <(grep -L 'openVersitygw\|openS3Server' $(find test/clients -name '*.test.ts' | sort))
    export CAIRN_TEST_STORE=versitygw
    ;;
  # And those that read a site with nothing behind it once more, where its artifacts are pointers.
  clients-of-pointers)
    mapfile -t files < <(grep -l 'startStaticHost\|serveSiteAlone\|siteAlone' $(find test/clients -name '*.test.ts' | sort))
    export CAIRN_TEST_STORE=versitygw CAIRN_TEST_ARTIFACTS=pointers
    ;;
  golden) mapfile -t files < <(grep -rl 'CAIRN_GOLDEN' --include='*.test.ts' test | sort) ;;
  *) files=("$@") ;;
esac
[ "${#files[@]}" -gt 0 ] || { echo "suite $suite has no files" >&2; exit 1; }
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
seen=
case "$suite" in unit | slow | clients | clients-in-bucket | clients-of-pointers) [ -n "${CAIRN_TEST_PROGRAM:-}" ] || compiles=1 ;; esac
if [ -n "${compiles:-}" ]; then
  npm run --silent test:compile
  export CAIRN_TEST_PROGRAM="$PWD/.cache/program/bin/cairn.js"
fi
if [ "$suite" = unit ]; then
  concurrency=3
  seen=$(mktemp)
  trap 'rm -f "$output" "$seen"' EXIT
  export CAIRN_OPENAPI_SEEN=$seen
fi
# Tests of one file share a server and run in turn; files wait for disks and clocks more than they compute.
node --import tsx --test --test-concurrency="${concurrency}" --test-reporter=spec "${files[@]}" 2>&1 | tee "$output" || status=$?
count=$(sed -n 's/^ℹ tests \([0-9]*\)$/\1/p' "$output" | tail -n 1)
if [ "${count:-0}" -eq 0 ]; then
  echo "suite $suite ran no test" >&2
  exit 1
fi
# Every answer that the API's document describes has to come up in some test.
if [ "$status" -eq 0 ] && [ -n "$seen" ]; then
  node --import tsx test/support/openapi-coverage.ts "$seen" || status=1
fi
exit "$status"
