# What cell.sh and ulira_cell.sh begin with: our command on a bare machine, the pictures, the card, how many jobs.
# Takes $pictures, $out and $began; gives $pictures as a folder, $root, $work, $jobs, and the functions said and deepunlearn.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
mkdir -p "$out"
said() { echo "[$((SECONDS - began)) s] $*" | tee -a "$out/bench.log"; }

if compgen -G "$root/.whl/*.whl" >/dev/null; then
  python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$work/site" "$root"/.whl/*.whl
fi
export PYTHONPATH="$root:$work/site" DEEPUNLEARN_STORE="$work/store"
deepunlearn() { python3 -m deepunlearn_cli "$@"; }

if [ -f "$pictures" ]; then
  mkdir "$work/pictures" && tar -xf "$pictures" -C "$work/pictures" && pictures=$work/pictures
fi
jobs=${JOBS:-auto}
if nvidia-smi -L >/dev/null 2>&1; then
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | tee "$out/card.txt"
  jobs=${JOBS:-12} # half of them on the card, the others reading, attacking, writing
  if [ "$jobs" != 1 ] && command -v nvidia-cuda-mps-control >/dev/null; then
    export CUDA_MPS_PIPE_DIRECTORY="$work/mps" CUDA_MPS_LOG_DIRECTORY="$work/mps"
    mkdir "$work/mps" && nvidia-cuda-mps-control -d
    trap 'echo quit | nvidia-cuda-mps-control' EXIT
  fi
fi
