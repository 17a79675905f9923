FROM python:3.12-slim AS build

WORKDIR /src
COPY requirements ./requirements
RUN python -m venv --without-pip /opt/regbot \
    && pip --python /opt/regbot/bin/python install --no-cache-dir --require-hashes \
        --requirement requirements/run.txt \
    && pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY regbot ./regbot
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/regbot/bin/python install --no-index --no-deps /wheels/regbot-*.whl


FROM python:3.12-slim

LABEL org.opencontainers.image.title="regbot" \
      org.opencontainers.image.description="Lua scripts on a schedule that clean up, mirror and check container registries" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin regbot \
    && install --directory --owner=regbot --group=regbot /state

COPY --from=build /opt/regbot /opt/regbot
ENV PATH="/opt/regbot/bin:$PATH" \
    XDG_STATE_HOME=/state
VOLUME /state

USER 10001:10001
WORKDIR /config
ENTRYPOINT ["regbot", "server"]
CMD ["-c", "/config/regbot.yml"]
