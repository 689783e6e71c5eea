#!/bin/sh
# Renews constraints.txt: one lock for Python 3.10 to 3.13, with markers where they differ.
set -eu
command -v uv >/dev/null || { echo "uv is needed: pip install uv" >&2; exit 1; }
{
    echo "# The full lock: \`pip install -r requirements.txt -c constraints.txt\`. Written by \`make lock\`."
    uv pip compile --quiet --universal --upgrade --python-version 3.10 --no-emit-index-url \
        --no-annotate --no-header requirements-dev.txt
} > constraints.new
mv constraints.new constraints.txt
