# Threadreel in a container. Everything that it keeps is in /data; its config.toml is put there by whoever runs it.
#   docker build -t threadreel .
#   docker run -p 8080:8080 -v ./config.toml:/data/config.toml:ro -v threadreel:/data threadreel

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/threadreel
COPY requirements.txt requirements-build.txt ./
RUN /opt/threadreel/bin/pip install --require-hashes -r requirements.txt \
 && pip install --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY adapters adapters
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/threadreel/bin/pip install --no-deps /wheels/threadreel-*.whl

FROM python:3.13-slim
COPY --from=build /opt/threadreel /opt/threadreel
RUN useradd --system --uid 10001 --no-create-home threadreel \
 && install --directory --owner threadreel /data
ENV PATH=/opt/threadreel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    THREADREEL_HTTP__HOST=0.0.0.0 \
    THREADREEL_HTTP__PORT=8080 \
    THREADREEL_STORE__URL=sqlite:////data/threadreel.db \
    THREADREEL_MEDIA__FOLDER=/data/media
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['THREADREEL_HTTP__PORT'] + '/healthz', timeout=4)"]
CMD ["threadreel", "run", "-c", "/data/config.toml"]
