#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A seed of the simulator is the same run with every compiler: compares what `wakeline sim digests` of two programs print.
#   tests/checks/same_digests.sh PROGRAM OTHER_PROGRAM
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: same_digests.sh PROGRAM OTHER_PROGRAM" >&2; exit 2; }
for program; do
  [ -x "$program" ] || { echo "same_digests: $program is not built" >&2; exit 1; }
done
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$1" sim digests >"$out/one" &
first=$!
"$2" sim digests >"$out/other"
wait "$first"
lines=$(wc -l <"$out/one")
if ((lines < 20)); then
  echo "same_digests: only $lines runs" >&2
  exit 1
fi
if ! diff "$out/one" "$out/other"; then
  echo "same_digests: the runs above differ between $1 and $2" >&2
  exit 1
fi
echo "same_digests: $lines runs are the same"
