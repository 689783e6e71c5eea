"""What a worker is called in Airflow's UI: both run on one machine, and its name says nothing."""

from __future__ import annotations

import os
import socket

WORKER_VARIABLE = "SANDBOX_WORKER"


def host_name() -> str:
    """For ``[core] hostname_callable``. Imported in every task process: nothing heavy here."""
    return os.environ.get(WORKER_VARIABLE) or socket.gethostname()
