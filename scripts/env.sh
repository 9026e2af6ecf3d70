# shellcheck shell=bash
# Where things that are built or unpacked live. Sourced by the other scripts and by the Makefile's recipes.
# Everything is below one folder of the user's cache: removing it removes all that we ever installed.
CHATCLUSTER_CACHE=${CHATCLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chatcluster}
export CHATCLUSTER_CACHE
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CHATCLUSTER_CACHE/target}
export PATH=$CHATCLUSTER_CACHE/bin:$PATH

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
