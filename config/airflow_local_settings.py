"""
What every worker imports once, before it forks: a task then starts with these at hand.

Airflow imports this module from `$AIRFLOW_HOME/config` when it starts. `make bench` measures what
it is worth.
"""

import gc
import os

import aiohttp
import airflow.dag_processing.dagbag
import airflow.providers.mongo.hooks.mongo
import airflow.sdk.execution_time.task_runner
import httptools
import jsonschema
import pymongo
import requests
import tenacity

import reindex.hooks.discovery
import reindex.hooks.jobs
import reindex.hooks.source
import reindex.operators.chunk

PRELOADED = (aiohttp, airflow, httptools, jsonschema, pymongo, reindex, requests, tenacity)

# A task lives for seconds: its garbage collector need not go through all that it inherited.
os.register_at_fork(after_in_child=gc.freeze)
