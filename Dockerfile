# One image for migrate, api and worker: the command says which (see compose file).
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/gmm
ENV PATH=/opt/gmm/bin:$PATH
# Dependencies first: they change less often than the code.
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY gmm_engine gmm_engine
COPY service service
COPY migrations migrations
RUN pip install --no-deps --no-build-isolation .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="gmm-service"
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/gmm gmm
COPY --from=build /opt/gmm /opt/gmm
# Compiled kernels and fonts are cached where the user may write; mount a volume or a
# tmpfs there when the root file system is read-only.
ENV PATH=/opt/gmm/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/var/lib/gmm/cache \
    MPLCONFIGDIR=/var/lib/gmm/cache \
    GMM_STATE_DIR=/var/lib/gmm/state
USER 10001
WORKDIR /var/lib/gmm
RUN gmm warm-up
# What a worker that stops leaves for the next; a volume there is the user's, too.
RUN mkdir -m 700 state
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('GMM_PORT', '8000') + '/healthz', timeout=2)"]
ENTRYPOINT ["gmm"]
CMD ["api"]
