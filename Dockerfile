# CPU:  docker build -t dlcli .
# CUDA: docker build -t dlcli:cuda --build-arg BASE=nvidia/cuda:13.0.2-base-ubuntu24.04 --build-arg PIP_ARGS= .
ARG BASE=python:3.13-slim
FROM ${BASE}
ARG PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
ARG EXTRAS=parquet,excel,video,zoo
# A base without Python, such as CUDA's, gets that of its distribution.
RUN command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' \
    || { apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*; }
COPY . /src
RUN python3 -m venv /opt/dlcli \
    && /opt/dlcli/bin/pip install --no-cache-dir ${PIP_ARGS} "/src[${EXTRAS}]" \
    && rm -rf /src
ENV PATH=/opt/dlcli/bin:$PATH
# Not as root: what a run writes to a mounted folder belongs to the user who started it, with --user "$(id -u):$(id -g)".
RUN useradd --create-home --uid 10001 dlcli && mkdir -m 1777 /cache
ENV XDG_CACHE_HOME=/cache MPLCONFIGDIR=/cache/matplotlib
USER dlcli
WORKDIR /work
ENTRYPOINT ["dlcli"]
CMD ["--help"]
