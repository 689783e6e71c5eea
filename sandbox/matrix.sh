#!/bin/sh
# Runs tests on the lowest supported Airflow and Python, and on the newest.
# usage: matrix.sh [TESTS...]    default: tests/unit tests/dags tests/integration
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- tests/unit tests/dags tests/integration

# The path of that Python's interpreter, or nothing.
interpreter() {
    for each in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        # A shim of pyenv's is on the PATH also for a version that is not chosen.
        if [ -n "$each" ] && "$each" -c '' 2>/dev/null; then
            echo "$each"
            return
        fi
    done
}

# Said at the very end, whatever that is: above the tests' output nobody would see it.
untested=""
trap '[ -z "$untested" ] || printf "\n!!! NOT TESTED: %s\n" "$untested" >&2' EXIT

run() {
    name=$1 python=$2 constraints=$3
    shift 3
    venv=.run/matrix/$name
    PYTHON=$python CONSTRAINTS=$constraints sh sandbox/environment.sh "$venv"
    echo "$name: $("$venv/bin/python" -V), Airflow $("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("apache-airflow"))')"
    "$venv/bin/python" -m pytest -q -p no:cacheprovider "$@"
}

lowest=$(interpreter 3.10)
if [ -z "$lowest" ]; then
    lowest=${PYTHON:-python3}
    untested="Python 3.10 is not on this machine: the lowest Airflow was tested on $("$lowest" -V). "
fi
newest=$(interpreter 3.13)
[ -n "$newest" ] || untested="${untested}Python 3.13 is not on this machine: the newest Airflow was not tested on it."

run lowest "$lowest" constraints-lowest.txt "$@"
[ -z "$newest" ] || run newest "$newest" constraints.txt "$@"
