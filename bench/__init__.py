"""
The figures of ``docs/performance.md``, one small program each: ``python -m bench.<name>``.

``python -m bench`` runs all of them and writes the table.
"""

import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
RUN_DIRECTORY = REPOSITORY / ".run" / "bench"

# The package lies below plugins/, where Airflow finds it by itself; and what is measured here is
# never the Airflow that somebody configured for something else.
sys.path.insert(0, str(REPOSITORY / "plugins"))
os.environ.setdefault("AIRFLOW_HOME", str(RUN_DIRECTORY / "airflow-home"))
