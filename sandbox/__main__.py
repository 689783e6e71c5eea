"""``python -m sandbox``: the platform, a token for it, a Mongo and its data, from a shell."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from sandbox.app import create_app
from sandbox.auth import ADMIN, make_token
from sandbox.discovery import DOC_TYPES
from sandbox.mongo import running_mongo
from sandbox.platform import SECRET_VARIABLE
from sandbox.seed import CREATORS, PROJECTS, SEED, seed
from sandbox.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Runs one subcommand; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (OSError, ValueError) as error:
        print(f"sandbox {options.command}: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands.add_parser("serve", help="serve the platform's APIs until interrupted"))
    _add_token(commands.add_parser("token", help="print a bearer token"))
    _add_mongo(commands.add_parser("mongo", help="run a Mongo on the loopback until interrupted"))
    _add_seed(commands.add_parser("seed", help="fill a Mongo with generated data"))
    return parser


def _add_secret(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jwt-secret-file",
        type=Path,
        help=f"file with the JWT secret (default: ${SECRET_VARIABLE})",
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_secret(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--database", type=Path, required=True, help="SQLite file, made if absent")
    parser.add_argument("--lease-seconds", type=float, default=300, help="how long a lease lasts")
    parser.add_argument(
        "--retry-delay-seconds", type=float, default=5, help="delay after a job's first failure"
    )
    parser.add_argument("--doc-types", nargs="+", default=DOC_TYPES, help="that the index takes")
    parser.set_defaults(run=_serve)


def _add_token(parser: argparse.ArgumentParser) -> None:
    _add_secret(parser)
    parser.add_argument("--permission", action="append", help="may be repeated (default: admin)")
    parser.add_argument("--expires-in", type=float, default=86_400, help="seconds")
    parser.set_defaults(run=_token)


def _add_mongo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.set_defaults(run=_mongo)


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mongo-uri", required=True)
    parser.add_argument("--database", help="default: the one that the address names")
    parser.add_argument("--creators", type=int, default=CREATORS)
    parser.add_argument("--projects", type=int, default=PROJECTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.set_defaults(run=_seed)


def _secret(options: argparse.Namespace) -> str:
    if options.jwt_secret_file is not None:
        secret: str = options.jwt_secret_file.read_text(encoding="utf-8").strip()
    else:
        secret = os.environ.get(SECRET_VARIABLE, "")
    if not secret:
        raise ValueError(f"no JWT secret: set {SECRET_VARIABLE} or give --jwt-secret-file")
    return secret


def _serve(options: argparse.Namespace) -> int:
    app = create_app(
        options.database,
        _secret(options),
        lease_seconds=options.lease_seconds,
        retry_delay_seconds=options.retry_delay_seconds,
        doc_types=options.doc_types,
    )
    serve(app, options.host, options.port)
    return 0


def _token(options: argparse.Namespace) -> int:
    print(make_token(_secret(options), options.permission or (ADMIN,), options.expires_in))
    return 0


def _mongo(options: argparse.Namespace) -> int:
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    with running_mongo(options.data_dir, port=options.port) as mongo:
        print(f"{mongo.kind} at {mongo.uri}", flush=True)
        interrupted.wait()
    return 0


def _seed(options: argparse.Namespace) -> int:
    seeded = seed(
        options.mongo_uri,
        options.creators,
        options.projects,
        seed=options.seed,
        database=options.database,
    )
    print(seeded)
    return 0


if __name__ == "__main__":
    sys.exit(main())
