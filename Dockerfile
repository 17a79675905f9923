FROM python:3.12-slim AS build

# What is installed: "run", or "cloud" with the libraries that log in to Amazon ECR and Google.
ARG REQUIREMENTS=run
WORKDIR /src
COPY requirements ./requirements
RUN python -m venv --without-pip /opt/regbot \
    && pip --python /opt/regbot/bin/python install --no-cache-dir --require-hashes \
        --requirement "requirements/$REQUIREMENTS.txt" \
    && pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY regbot ./regbot
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/regbot/bin/python install --no-index --no-deps /wheels/regbot-*.whl
COPY scripts/container_health.py /opt/regbot/health.py


FROM python:3.12-slim

LABEL org.opencontainers.image.title="regbot" \
      org.opencontainers.image.description="Lua scripts on a schedule that clean up, mirror and check container registries" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin regbot \
    && install --directory --owner=regbot --group=regbot /state

COPY --from=build /opt/regbot /opt/regbot
# The journal, the plans and the cache are in /state, so that all else may be read-only.
ENV PATH="/opt/regbot/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_STATE_HOME=/state \
    XDG_CACHE_HOME=/state/cache
VOLUME /state

USER 10001:10001
WORKDIR /config
ENTRYPOINT ["regbot"]
# Within the container, so that the health check can ask; --listen 0.0.0.0:8080 opens it to others.
CMD ["server", "-c", "/config/regbot.yml", "--listen", "127.0.0.1:8080"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-S", "/opt/regbot/health.py"]
EXPOSE 8080
