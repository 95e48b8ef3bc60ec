# Two stages: the compiler stays in the first one. The base is named by its digest, the packages by
# their hashes: what is built today is built again tomorrow. The digest is that of the index of all
# architectures; `docker buildx imagetools inspect python:3.11-slim-bookworm` shows the newest.
ARG PYTHON=3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM python:${PYTHON} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/talos \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && /opt/talos/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY talos talos
RUN /opt/build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheels . \
    && /opt/talos/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

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
# A server with a configuration file wants its --config here, too.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["talos", "health"]
ENTRYPOINT ["talos"]
CMD ["serve"]
