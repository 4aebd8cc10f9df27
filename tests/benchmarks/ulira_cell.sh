#!/usr/bin/env bash
# U-LiRA of several methods in one sitting on a machine that has PyTorch and nothing of ours, as cell.sh does a plan.
#
#   tests/benchmarks/ulira_cell.sh PICTURES MINUTES OUT [MODEL [OPTIONS OF attack ulira ...]]
#
# PICTURES, MINUTES, OUT, JOBS, WORK, wheels: as for cell.sh. What comes back are tables.md, bench.log and figures.jsonl.xz,
# that in parts of 15 MiB (figures.jsonl.xz.00 and so on; `cat` joins them): on CIFAR-10 about 0.1 MB a model.
# By default six methods on 16 halves with 4 forget sets each: 528 models. A second sitting goes on with
# `--resume-from figures.jsonl` among the options.
set -euo pipefail
pictures=${1-} minutes=${2-} out=${3-} model=${4:-resnet18}
shift $(($# < 4 ? $# : 4))
began=$SECONDS
source "$(dirname "$0")/bare.sh"

said "U-LiRA, $jobs jobs"
methods=${METHODS:-ft,ga,ngplus,scrub,salun,msg}
code=0
deepunlearn attack ulira --method "$methods" --dataset "folder:$(realpath "$pictures")" --model "$model" \
  --training "epochs=${EPOCHS:-40}" --jobs "$jobs" --time-limit "$(left 30)s" --export "$work/figures.jsonl" "$@" \
  >"$out/ulira.tsv" 2> >(tee -a "$out/bench.log" >&2) || code=$?
said "attack ended with $code"
deepunlearn attack ulira --from "$work/figures.jsonl" 2>&1 | tee "$out/tables.md" || true
if [ -f "$work/figures.jsonl" ]; then
  rm -f "$out"/figures.jsonl.xz.* # parts of an earlier call, which may have had more
  xz -T0 -1 --stdout "$work/figures.jsonl" | split -b 15M -d - "$out/figures.jsonl.xz."
  said "$(wc -l <"$work/figures.jsonl") lines of figures"
fi
exit "$code"
