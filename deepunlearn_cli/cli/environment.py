"""The environment variables that the tool reads; README's table is made from this."""

VARIABLES = {
    "DEEPUNLEARN_STORE": "folder of the store (default `./deepunlearn-store`)",
    "DEEPUNLEARN_DATA": "folder of the datasets' own files (default `<store>/data/raw`)",
    "DEEPUNLEARN_DEVICE": "`auto` (default), `cpu`, `cuda`, `cuda:1`",
    "DEEPUNLEARN_JOBS": "how many runs are made at a time (default 1)",
    "OMP_NUM_THREADS": "CPU threads of a process (default: the cores it may use); never more with `--jobs`",
    "DEEPUNLEARN_<COMMAND>_<OPTION>": "any option, such as `DEEPUNLEARN_TRAIN_SEEDS=0-9`",
    "NO_COLOR": "no colours, whatever its value",
    "DEEPUNLEARN_COMPILE": "`1` compiles plain training (CUDA graphs on CUDA, not measured there yet)",
}
