#!/usr/bin/env bash
# Runs a suite and fails when it ran no test: on Node 20 a quoted glob matches nothing, and passes.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:-unit}
concurrency=1
of_commands='/(adding-an-ecosystem|commands|package|regen-and-doctor|settings)\.test\.ts$'
case "$suite" in
  unit) mapfile -t files < <(find test -name '*.test.ts' -not -path 'test/slow/*' -not -path 'test/clients/*' | sort) ;;
  # Of those, what is neither the API nor a command: for one more Node.
  unit-of-parts) mapfile -t files < <(find test/core test/ecosystems test/generator test/stores test/surfaces -name '*.test.ts' | sort) ;;
  slow) mapfile -t files < <(find test/slow -name '*.test.ts' | sort) ;;
  # The same in two parts, for whoever runs them side by side: what people type, and what breaks.
  slow-commands) mapfile -t files < <(find test/slow -name '*.test.ts' | grep -E "$of_commands" | sort) ;;
  slow-faults) mapfile -t files < <(find test/slow -name '*.test.ts' | grep -vE "$of_commands" | sort) ;;
  clients) mapfile -t files < <(find test/clients -name '*.test.ts' | sort) ;;
  # The same clients over blobs and site in a bucket. What opens a store of its own is the same there, and runs once: the tests
  # of stores alone, and those of redirects, which have private blobs in a bucket in any case.
  clients-in-bucket)
    mapfile -t files < <(grep -L 'openVersitygw\|openRedirecting' $(find test/clients -name '*.test.ts' | sort))
    export CAIRN_TEST_STORE=versitygw
    ;;
  # And those that read a site with nothing behind it once more, where its artifacts are pointers.
  clients-of-pointers)
    mapfile -t files < <(find test/clients -name 'static-*.test.ts' | sort)
    export CAIRN_TEST_STORE=versitygw CAIRN_TEST_ARTIFACTS=pointers
    ;;
  golden) mapfile -t files < <(grep -rl 'CAIRN_GOLDEN' --include='*.test.ts' test | sort) ;;
  *) files=("$@") ;;
esac
if [ -n "${CAIRN_TEST_STORE:-}" ] && ! command -v go >/dev/null; then
  echo "suite $suite is skipped: its store is compiled by go, which is not on this machine"
  exit 0
fi
[ "${#files[@]}" -gt 0 ] || { echo "suite $suite has no files" >&2; exit 1; }
output=$(mktemp)
seen=
stores=
# What made it fail, for whoever shows it once more: of the tests, or of the rules below.
end() {
  local status=$?
  if [ "$status" -ne 0 ] && [ -n "${CAIRN_TEST_FAILURES:-}" ]; then
    { sed -n '/^✖ failing tests:$/,$p' "$output" | grep . || tail -n 20 "$output"; } >"$CAIRN_TEST_FAILURES/${suite##*/}"
  fi
  rm -f "$output" "$seen" "$stores"
}
trap end EXIT
status=0
case "$suite" in unit* | slow* | clients*) [ -n "${CAIRN_TEST_PROGRAM:-}" ] || compiles=1 ;; esac
if [ -n "${compiles:-}" ]; then
  npm run --silent test:compile
  export CAIRN_TEST_PROGRAM="$PWD/.cache/program/bin/cairn.js"
fi
case "$suite" in unit*) concurrency=3 ;; esac
if [ "$suite" = unit ]; then
  seen=$(mktemp)
  export CAIRN_OPENAPI_SEEN=$seen
fi
if [ "$suite" = clients-in-bucket ]; then
  stores=$(mktemp)
  export CAIRN_TEST_STORE_SEEN=$stores
fi
# Tests of one file share a server and run in turn; files wait for disks and clocks more than they compute.
node --import tsx --test --test-concurrency="${concurrency}" --test-reporter=spec "${files[@]}" 2>&1 | tee "$output" || status=$?
count=$(sed -n 's/^ℹ tests \([0-9]*\)$/\1/p' "$output" | tail -n 1)
if [ "${count:-0}" -eq 0 ]; then
  echo "suite $suite ran no test" | tee -a "$output" >&2
  exit 1
fi
# A file that starts its servers past the bucket would only look as if it held there. Where something was skipped it may be that.
if [ "$status" -eq 0 ] && [ -n "$stores" ] && grep -q '^ℹ skipped 0$' "$output"; then
  for file in "${files[@]}"; do
    grep -q "/$file\$" "$stores" && continue
    echo "$file has used no bucket" | tee -a "$output" >&2
    status=1
  done
fi
# Every answer that the API's document describes has to come up in some test.
if [ "$status" -eq 0 ] && [ -n "$seen" ]; then
  node --import tsx test/support/openapi-coverage.ts "$seen" 2>&1 | tee -a "$output" || status=1
fi
exit "$status"
