#!/bin/sh
# Makes the virtual environment: with uv when it is there or can be installed, else with plain pip.
# usage: [PYTHON=python3] [CONSTRAINTS=constraints.txt] environment.sh FOLDER
set -eu
venv=$1
python=${PYTHON:-python3}
constraints=${CONSTRAINTS:-constraints.txt}

"$python" - <<'PY' || exit 1
import sys
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit(f"Python 3.10 to 3.13 is needed, {sys.executable} is {sys.version.split()[0]}: "
             "say which one to use, as in `make demo PYTHON=python3.12`")
PY

echo "making the environment in $venv"
"$python" -m venv --clear "$venv" || {
    echo "could not make a virtual environment; Debian and Ubuntu need the package python3-venv" >&2
    exit 1
}
uv=$(command -v uv || true)
if [ -z "$uv" ] && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv 2>/dev/null; then
    uv=$venv/bin/uv
fi
# A uv that cannot get at the packages is no reason to give up: it has certificates and settings of
# its own, and pip may be set up where it is not.
if [ -n "$uv" ]; then
    VIRTUAL_ENV=$venv UV_PYTHON_DOWNLOADS=never \
        "$uv" pip install --quiet --python "$venv/bin/python" -r requirements-dev.txt -c "$constraints" &&
        exit 0
    echo "uv could not install the packages; trying pip" >&2
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    -r requirements-dev.txt -c "$constraints"
