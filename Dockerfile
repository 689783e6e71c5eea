# The official image with this package in it. Built by `docker compose build`; one image serves
# every Airflow service, the sandbox and the seed.
FROM apache/airflow:3.3.2-python3.12

# What compose mounts its volumes on. A new named volume takes owner and mode from the folder that
# it covers, so that nothing has to run as root later to chown it.
USER 0
RUN install -d -o airflow -g 0 -m 0700 /secrets/keys /secrets/server /secrets/sandbox /data
# airflow, as a number: Kubernetes' runAsNonRoot reads no names
USER 50000

COPY --chown=airflow:0 requirements.txt constraints.txt /opt/airflow/

# What the image has stays as Apache tested it together; what it lacks comes in the versions of the
# lock. apache-airflow and the providers that the services need stand among the roots although the
# image has them: pip then solves for them too, and refuses what does not fit them. The last line
# stops the build when Airflow is another version afterwards or such a part no longer imports.
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN pip list --format=freeze | cut -d= -f1 | tr '_.' '-' | sed 's/.*/^&==/' > /tmp/image \
    && grep -ivf /tmp/image /opt/airflow/constraints.txt > /tmp/lock \
    && pip install --no-cache-dir \
        "apache-airflow==${AIRFLOW_VERSION}" \
        apache-airflow-providers-celery \
        apache-airflow-providers-fab \
        apache-airflow-providers-postgres \
        -r /opt/airflow/requirements.txt \
        -c /tmp/lock \
    && rm /tmp/image /tmp/lock \
    && python -c "import os, airflow, airflow.providers.celery.executors.celery_executor, asyncpg, psycopg2, redis, airflow.providers.fab.auth_manager.fab_auth_manager, airflow.providers.mongo.hooks.mongo, fastapi, uvicorn, jwt; assert airflow.__version__ == os.environ['AIRFLOW_VERSION'], airflow.__version__"

COPY --chown=airflow:0 config/ /opt/airflow/config/
COPY --chown=airflow:0 plugins/ /opt/airflow/plugins/
COPY --chown=airflow:0 dags/ /opt/airflow/dags/
COPY --chown=airflow:0 sandbox/ /opt/airflow/sandbox/
