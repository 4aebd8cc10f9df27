#!/usr/bin/env bash
# A whole plan in one sitting on a machine that has PyTorch and nothing of ours, from a folder of pictures to tables.
#
#   tests/benchmarks/cell.sh PICTURES MINUTES OUT [PLAN [MODEL [OPTIONS OF bench ...]]]
#
# PICTURES: a folder with train/CLASS/*.jpg and test/CLASS/*.jpg, or a .tar(.xz) of one. OUT: a folder; what comes back of
# the machine are its files of some MB: figures.jsonl (`report --from`), tables.md, bench.log. Wheels in .whl/ beside the
# checkout are installed first. Under CUDA MPS several runs (JOBS, 12) share a card. With JOBS=1 their seconds
# can be compared. WORK names a folder for pictures and store that stays: a second call on the same machine goes on there.
# A second sitting goes on with `--resume-from OUT/figures.jsonl` among the options. It ends with bench's exit code: 0, or 6
# where more is to do.
set -euo pipefail
pictures=${1-} minutes=${2-} out=${3-} plan=${4:-cifar10-short} model=${5:-resnet18}
shift $(($# < 5 ? $# : 5))
began=$SECONDS
source "$(dirname "$0")/bare.sh"
toml=$root/deepunlearn_cli/studies/$plan.toml
[ -f "$toml" ] || toml=$plan
sed -e "s#^models = .*#models = [\"$model\"]#" "$toml" >"$out/plan.toml"

said "bench $plan on $pictures, $jobs jobs"
code=0
deepunlearn bench "$out/plan.toml" --dataset "folder:$(realpath "$pictures")" --jobs "$jobs" \
  --time-limit "$(left 30)s" --export "$out/figures.jsonl" "$@" \
  >"$out/bench.tsv" 2> >(tee -a "$out/bench.log" >&2) || code=$?
said "bench ended with $code"
for table in 1 2 scores retention; do
  echo; deepunlearn report --table "$table" --from "$out/figures.jsonl" --format markdown || true
done 2>&1 | tee "$out/tables.md"
[ ! -f "$out/figures.jsonl" ] || said "$(wc -l <"$out/figures.jsonl") lines of figures"
exit "$code"
