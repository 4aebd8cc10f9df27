# What cell.sh and ulira_cell.sh begin with: our command on a bare machine, the pictures, the card, how many jobs.
# Takes $pictures, $minutes, $out and $began, and ends with 2 where one is missing or of no use; gives $pictures as a folder,
# $root, $work, $jobs, and the functions said, left and deepunlearn.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ -e "$pictures" ] && awk -v minutes="$minutes" 'BEGIN { exit !(minutes + 0 > 0) }' && [ -n "$out" ] || {
  sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
  echo "PICTURES must be there ($pictures), MINUTES a number above 0 ($minutes), OUT a folder ($out)" >&2
  exit 2
}
work=${WORK:-$(mktemp -d)} # named, it stays, and the next call on this machine goes on with its store
mkdir -p "$out" "$work"
said() { echo "[$((SECONDS - began)) s] $*" | tee -a "$out/bench.log"; }

left() { # seconds of the time limit, less $1 for what comes after; 1 at least, which makes nothing
  awk -v minutes="$minutes" -v gone=$((SECONDS - began)) -v after="$1" \
    'BEGIN { left = int(minutes * 60 - gone - after); print (left > 1 ? left : 1) }'
}

if [ ! -d "$work/site" ] && compgen -G "$root/.whl/*.whl" >/dev/null; then
  rm -rf "$work/site.part" # of a call that was cut off
  python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$work/site.part" "$root"/.whl/*.whl
  mv "$work/site.part" "$work/site"
fi
export PYTHONPATH="$root:$work/site" DEEPUNLEARN_STORE="$work/store"
deepunlearn() { python3 -m deepunlearn_cli "$@"; }
deepunlearn attacks >/dev/null || {
  said "deepunlearn does not run here: wheels of what it needs belong into $root/.whl"
  exit 2
}

if [ -f "$pictures" ]; then
  [ -d "$work/pictures" ] || { rm -rf "$work/part" && mkdir "$work/part" && tar -xf "$pictures" -C "$work/part" && mv "$work/part" "$work/pictures"; }
  pictures=$work/pictures
fi
jobs=${JOBS:-auto}
if nvidia-smi -L >/dev/null 2>&1; then
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | tee "$out/card.txt"
  jobs=${JOBS:-12} # half of them on the card, the others reading, attacking, writing
  if [ "$jobs" != 1 ] && command -v nvidia-cuda-mps-control >/dev/null; then
    export CUDA_MPS_PIPE_DIRECTORY="$work/mps" CUDA_MPS_LOG_DIRECTORY="$work/mps"
    mkdir -p "$work/mps" && nvidia-cuda-mps-control -d
    trap 'echo quit | nvidia-cuda-mps-control' EXIT
  fi
fi
