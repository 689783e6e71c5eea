#!/bin/sh
# Renews the locks. Needs a python3 and, when uv is not there, pip's way to get it.
#   constraints.txt         the newest of everything: Python 3.10 to 3.13, with markers
#   constraints-lowest.txt  the lowest that requirements.txt allows, on Python 3.10: `make matrix`
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

uv=$(PATH="$PWD/.venv/bin:$PATH" command -v uv || true)
if [ -z "$uv" ]; then
    "${PYTHON:-python3}" -m venv "$work/uv"
    "$work/uv/bin/python" -m pip install --quiet --disable-pip-version-check uv
    uv=$work/uv/bin/uv
fi

compile() {
    UV_PYTHON_DOWNLOADS=never "$uv" pip compile --quiet --python-version 3.10 \
        --no-emit-index-url --no-annotate --no-header "$@"
}

{
    echo "# The full lock: \`pip install -r requirements.txt -c constraints.txt\`. Written by \`make lock\`."
    compile --universal --upgrade requirements-dev.txt
} > "$work/newest"

# First the package's own requirements as low as they go, then the tools of the tests on top.
compile --resolution lowest-direct requirements.txt > "$work/direct"
{
    echo "# The lowest that requirements.txt allows, on Python 3.10. Written by \`make lock\`, for \`make matrix\`."
    compile --constraint "$work/direct" requirements-dev.txt
} > "$work/lowest"

mv "$work/newest" constraints.txt
mv "$work/lowest" constraints-lowest.txt
