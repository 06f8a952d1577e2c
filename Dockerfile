# syntax=docker/dockerfile:1
# Build: docker build -t dltools .
#        --build-arg TORCH_INDEX=URL takes torch from an index of its CPU or CUDA builds (CUDA: docker run --gpus all)
# Run:  docker run --rm -v "$PWD:/workspace" dltools python -m dltools.train experiment=demo
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
ARG TORCH_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/dltools
ENV PATH=/opt/dltools/bin:$PATH
WORKDIR /src

# The libraries change seldom: a layer of their own, made from the same pins as everywhere.
COPY pyproject.toml constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
      > requirements.txt \
    && pip install ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} --constraint constraints.txt --requirement requirements.txt

COPY LICENSE README.md ./
COPY dltools dltools
COPY hydra_plugins hydra_plugins
COPY conf conf
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps .

FROM python:${PYTHON_VERSION}-slim-bookworm
# `handler=compile` needs a compiler at run time: --build-arg COMPILER=1
ARG COMPILER=0
# hadolint ignore=DL3008
RUN if [ "${COMPILER}" = 1 ]; then \
      apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*; \
    fi \
    && useradd --create-home --uid 1000 dltools \
    && install --directory --owner dltools /workspace
COPY --from=build /opt/dltools /opt/dltools
ENV PATH=/opt/dltools/bin:$PATH PYTHONUNBUFFERED=1
USER 1000
WORKDIR /workspace
CMD ["dltools", "--help"]
