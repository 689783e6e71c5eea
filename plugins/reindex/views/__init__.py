"""The pages that this package adds to the Airflow UI: a run's report, and the history."""
