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

loud() {
    printf '\n!!! %s\n\n' "$*" >&2
}

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
    loud "NOT TESTED: Python 3.10 is not on this machine. The lowest Airflow runs on $("$lowest" -V)"
fi
run lowest "$lowest" constraints-lowest.txt "$@"

newest=$(interpreter 3.13)
if [ -n "$newest" ]; then
    run newest "$newest" constraints.txt "$@"
else
    loud "NOT TESTED: Python 3.13 is not on this machine. The newest Airflow was not tested on it"
fi
