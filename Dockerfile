# Two stages: the compiler stays in the first one.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY talos talos
RUN python -m venv /opt/talos \
    && /opt/talos/bin/pip install --no-cache-dir .

FROM python:${PYTHON}
# Shown by `talos --version` and /version.
ARG COMMIT=unknown
ARG BUILD_TIME=unknown
RUN groupadd --system --gid 10001 talos \
    && useradd --system --uid 10001 --gid talos --no-create-home --shell /usr/sbin/nologin talos
COPY --from=build /opt/talos /opt/talos
ENV PATH=/opt/talos/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TALOS_BUILD_COMMIT=${COMMIT} \
    TALOS_BUILD_TIME=${BUILD_TIME} \
    # Outside a container the admin surface stays on the loopback interface unless told otherwise.
    # In one, nothing could reach it there: the network that the container joins is the boundary.
    TALOS_SERVE_HTTP_HOST=0.0.0.0
USER 10001:10001
EXPOSE 4420 4422
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('TALOS_SERVE_METRICS_PORT', '4422') + '/health/ready', timeout=4)"]
ENTRYPOINT ["talos"]
CMD ["serve"]
