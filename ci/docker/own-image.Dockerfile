# How an image of your own, which serves for days, gets a health check of its GPU. The last three instructions are it.
FROM python:3.12-slim

RUN python -m pip install --no-cache-dir torch==2.13.0
WORKDIR /srv
COPY . .
CMD ["python", "serve.py"]

# An environment of its own: it changes no package of yours.
RUN python -m venv /opt/gpucheck && \
    /opt/gpucheck/bin/pip install --no-cache-dir --disable-pip-version-check gpucheck-doctor==0.1.0
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Docker knows 0 and 1 and keeps 2 for itself: everything but healthy becomes 1, inconclusive (3) too.
HEALTHCHECK --interval=5m --timeout=1m --start-period=2m --retries=2 \
    CMD ["sh", "-c", "/opt/gpucheck/bin/gpucheck doctor --quiet --python=/usr/local/bin/python --require='gpu>=1' || exit 1"]
