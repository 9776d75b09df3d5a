# One file for everything a person types. `make` alone lists it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Torch comes first and alone: from this index Linux gets the CPU build, and what is installed after it keeps it.
# With a GPU: `make setup TORCH_INDEX=https://download.pytorch.org/whl/cu130`, or an empty one for PyPI's build.
TORCH := torch==2.13.0
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),https://download.pytorch.org/whl/cpu)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check format client train-generator train-planner train-critic train-ablation eval ablation bench faults load soak twin images images-gpu sbom constraints screenshots clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make .venv with everything for a CPU

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --retries 1 $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(TORCH)
	$(PIP) install -e '.[serve,models,train,dev]'
	@touch $@

demo: setup ## draw one document, from request to illustrated page, on this machine
	$(BIN)/interleavethinker demo

up: setup ## start the services and leave them running until Ctrl-C
	$(BIN)/interleavethinker up

test: setup ## run every test
	$(BIN)/pytest -q

check: setup ## what has to be green before a change is handed in: style, types, imports, quick tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q -m 'not slow'

format: setup ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

client: setup ## make the client without async from the one with it, after a change there
	$(BIN)/python -m tests.client.unasynced

train-generator: setup ## train the small world's image generator (all three resume where they stopped)
	$(BIN)/python -m training generator
	$(BIN)/python -m training export generator

train-planner: setup ## train its planner
	$(BIN)/python -m training planner
	$(BIN)/python -m training export planner

DRAWN_BY := --generator checkpoints/smallworld/generator --generator checkpoints/school/first
train-critic: setup ## train its critic: painted attempts, the generators' own, SFT on the data set, GRPO
	$(BIN)/python -m training critic
	$(BIN)/python -m training synthesize --out var/data/smallworld --planner 0 --critic 20000 --rl 5000 --seed 3 $(DRAWN_BY)
	$(BIN)/python -m training synthesize --out var/data/held_out --planner 256 --critic 256 --rl 256 --seed 9 $(DRAWN_BY)
	$(BIN)/python -m training sft --recipe training/recipes/critic_sft.cpu.toml --out var/runs/critic_sft
	$(BIN)/python -m training export-run var/runs/critic_sft checkpoints/school/critic
	$(BIN)/python -m training grpo --recipe training/recipes/critic_rl.cpu.toml --out var/runs/critic_rl
	$(BIN)/python -m training export-run var/runs/critic_rl checkpoints/smallworld/critic

SFT := $(BIN)/python -m training sft --recipe training/recipes/critic_sft.cpu.toml
GRPO := $(BIN)/python -m training grpo --recipe training/recipes/critic_rl.cpu.toml
train-ablation: setup ## after train-critic: the four checkpoints that only the ablation's rows need, and the second generator
	$(GRPO) --out var/runs/rl_no_step_reward --set grpo.reward.step=0.0
	$(GRPO) --out var/runs/rl_no_accuracy_reward --set grpo.reward.accuracy=0.0
	$(BIN)/python -m training synthesize --out var/data/unfiltered --unfiltered --planner 0 --critic 20000 --rl 5000 --seed 3 $(DRAWN_BY)
	$(SFT) --out var/runs/unfiltered --set data=var/data/unfiltered/Interleave-Critic-SFT
	$(BIN)/python -m training one-agent
	$(BIN)/python -m training generator --recipe training/recipes/generator_second.cpu.toml --work var/second
	rm -rf checkpoints/school/second
	cp -r var/second/generator/pipeline checkpoints/school/second

eval: setup ## measure the committed checkpoints on held-out requests (n = 300)
	$(BIN)/python -m evaluation smallworld --n 300 --json

ablation: setup ## what each part of the method buys: evaluation/results/ablation.json and its picture
	$(BIN)/python -m evaluation ablation --n 400

faults: setup ## kill and starve every part in every phase of a document: bench/results/faults.json
	$(BIN)/python -m bench.faults

load: setup ## 200 documents at once, on stand-in models and on the small ones: bench/results/load.json and its picture
	$(BIN)/python -m bench.load

soak: setup ## half an hour of mixed traffic, and what is left of it: bench/results/soak.json and its picture
	$(BIN)/python -m bench.soak

bench: setup ## seconds a document beside the sequential loop, documents a minute, the orchestrator's own time, hand-overs: bench/results/
	$(BIN)/python -m bench.documents --lanes 36
	$(BIN)/python -m bench.small --documents 24 --into bench/results/documents.json
	$(BIN)/python -m bench.throughput --repeats 2 --pace 0.15 --at-once 1 8 64
	$(BIN)/python -m bench.overhead --documents 8 --repeats 3 --runs 500 --memory-seconds 90
	$(BIN)/python -m bench.handover

bench-check: setup ## a short run beside the committed results: fails where a ratio is worse than the noise
	$(BIN)/python -m bench.documents --profile 9b --steps 8 --acceptance 0.7 --documents 6 --out var/bench/documents.json
	$(BIN)/python -m bench.compare var/bench/documents.json

bench-gpu: setup ## image model and critic at full size with random weights: bench/results/gpu.json
	$(BIN)/python -m bench.gpu_generator --model 4b
	$(BIN)/python -m bench.gpu_vlm

twin: setup ## run what docker-compose.yml describes as processes, with a real Redis and Postgres
	$(BIN)/python -m deploy.twin

images: ## build the images with docker
	docker build -f deploy/docker/Dockerfile --target service -t interleavethinker/service --build-arg REVISION=$$(git rev-parse HEAD) .
	docker build -f deploy/docker/Dockerfile --target models -t interleavethinker/models --build-arg REVISION=$$(git rev-parse HEAD) .

images-gpu: ## build the images for GPUs with docker: the worker's and training's
	docker build -f deploy/docker/Dockerfile --target gpu -t interleavethinker/gpu --build-arg REVISION=$$(git rev-parse HEAD) .
	docker build -f deploy/training/Dockerfile -t interleavethinker-training --build-arg REVISION=$$(git rev-parse HEAD) .

sbom: setup ## what the images are made of: deploy/docker/sbom.json (CycloneDX)
	$(PIP) install -e '.[sbom]'
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o deploy/docker/sbom.json deploy/docker/constraints.txt

constraints: setup ## fix the images' versions to those of .venv
	$(BIN)/python deploy/docker/requirements.py --locked serve tracing models > deploy/docker/constraints.txt

screenshots: setup ## pictures of the page, of a real small stack: docs/images/page-*.png
	$(BIN)/python -m bench.screenshots

clean: ## remove caches, and nothing that took long to make
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
