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

# apache-airflow and the two providers that Celery needs stand among the roots although the image
# has them: pip then solves for them too, and refuses a lock that does not fit them, instead of
# changing Airflow's version or a library below a provider unseen. The last line stops the build
# when Airflow is another version afterwards or a part that the services need no longer imports.
RUN pip install --no-cache-dir \
        "apache-airflow==${AIRFLOW_VERSION}" \
        apache-airflow-providers-celery \
        apache-airflow-providers-postgres \
        -r /opt/airflow/requirements.txt \
        -c /opt/airflow/constraints.txt \
    && python -c "import os, airflow, airflow.providers.celery.executors.celery_executor, asyncpg, psycopg2, redis, airflow.providers.mongo.hooks.mongo, fastapi, uvicorn, jwt; assert airflow.__version__ == os.environ['AIRFLOW_VERSION'], airflow.__version__"

COPY --chown=airflow:0 config/ /opt/airflow/config/
COPY --chown=airflow:0 plugins/ /opt/airflow/plugins/
COPY --chown=airflow:0 dags/ /opt/airflow/dags/
COPY --chown=airflow:0 sandbox/ /opt/airflow/sandbox/
