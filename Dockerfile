# The gateway. `docker compose build` makes it; `docker build --build-arg EXTRAS= .` leaves out what few need.
ARG DEBIAN=debian:12.13-slim

FROM ${DEBIAN} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev python3 python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
# The packages first, for a package with nothing but its part in C: they change seldom and come from the cache then.
COPY gateway/media/_native.c gateway/media/
ARG EXTRAS=mcp,redis,tracing,vertex
RUN touch gateway/__init__.py gateway/media/__init__.py \
 && python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt \
      --editable ".[${EXTRAS}]" \
 && /opt/venv/bin/pip uninstall --yes pip setuptools \
 && find /opt/venv -depth -type d -name tests -exec rm -rf {} +
COPY gateway gateway
COPY web web
RUN /opt/venv/bin/python -m compileall -q gateway && /opt/venv/bin/python -c "import gateway.media._native"

FROM ${DEBIAN}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gateway
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080/tcp 50000/udp
# Plain sockets: a Python that loaded the gateway for each look would cost more than a call.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 CMD python3 -I -S -c "\
import http.client, os, sys; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('GATEWAY_PORT') or 8080), timeout=4); \
c.request('GET', '/healthz'); \
sys.exit(c.getresponse().status != 200)"
ENTRYPOINT ["gateway"]
CMD ["serve"]
