# `make help` lists the commands. A command that needs the environment creates it first, or updates it.
PYTHON ?= python3
ENVIRONMENT ?= .venv
BIN = $(ENVIRONMENT)/bin
CORES ?= all

# Without compiled files, every job would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help study real real-model resume unlock check test test-page test-slurm test-nightly lint format docs benchmark lock environment
.DELETE_ON_ERROR:

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "%-12s %s\n", $$1, $$2}'

study: environment  ## run the embedded study: every table and figure, from nothing
	$(BIN)/snakemake --cores $(CORES) --resources gpu=1 $(ARGUMENTS)
	$(BIN)/snakemake --report results/report.zip --quiet all $(ARGUMENTS)
	@echo "Open results/index.html, or unpack results/report.zip for Snakemake's own report."

real: environment  ## a first study of your language model and your articles, in about half an hour: MODEL=folder ARTICLES=table
	@PYTHONPATH=src $(BIN)/python -m bias_amplification.study.first_study --out results-real/given.yaml \
		--model "$(MODEL)" --revision "$(REVISION)" --articles "$(ARTICLES)" \
		--encoder "$(ENCODER)" --encoder-revision "$(ENCODER_REVISION)"
	$(BIN)/snakemake --cores $(CORES) --resources gpu=1 --configfile config/real.yaml results-real/given.yaml $(CONFIG) $(ARGUMENTS)
	@echo "Open results-real/index.html."

real-model: environment  ## draw the figures of docs/real-model.md, a study of a real language model, from its numbers
	PYTHONPATH=src $(BIN)/python -m bias_amplification.figures.shown_study resources/studies/smollm2 docs/images/real_model

resume: unlock study  ## continue a study after Snakemake was killed

unlock: environment  ## after Snakemake was killed: cancel its cluster jobs, wait until they have ended, unlock the folder
	@for place in /proc/[0-9]*; do \
		[ "$$(readlink $$place/cwd)" = "$(CURDIR)" ] || continue; \
		words=$$({ tr '\0' ' ' < $$place/cmdline; } 2>/dev/null); \
		if printf '%s\n' "$$words" | grep -q -E '^[^ ]*python[^ ]* (-m |[^ ]*bin/)snakemake ' \
			&& ! printf '%s\n' "$$words" | grep -q -e '--mode '; then \
			echo "Snakemake still runs here: end process $${place#/proc/} first (Ctrl-C, or kill $${place#/proc/})."; exit 1; \
		fi; \
	done
	@if command -v squeue >/dev/null; then \
		while listed=$$(squeue --noheader --user "$$(id -un)" --format '%i|%Z') || { echo "squeue does not answer: try again when it does."; exit 1; }; \
			jobs=$$(echo "$$listed" | awk -F'|' -v here="$(CURDIR)" '$$2 == here {print $$1}'); [ -n "$$jobs" ]; do \
			scancel $$jobs 2>/dev/null; sleep 1; \
		done; \
	fi
	$(BIN)/snakemake --unlock $(ARGUMENTS)

check: environment lint  ## lint and the quick unit tests, in under two minutes
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 -m "not slow and not nightly" tests/unit $(ARGUMENTS)

test: environment lint  ## lint, all unit tests and small studies, several test files at once
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGUMENTS)

test-page: environment  ## the pages of a tiny study in a real browser (needs Chromium: apt-get install chromium)
	$(BIN)/python -m pytest -m page tests/page $(ARGUMENTS)

test-slurm: environment  ## a small study on a SLURM cluster of one node, which it starts and stops (Debian, Ubuntu)
	$(BIN)/python -m pytest -m slurm tests/slurm $(ARGUMENTS)

test-nightly: environment  ## the tests of random inputs, with many more examples than in make test, and long trainings
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 -m nightly tests/unit $(ARGUMENTS)

lint: environment  ## style, formatting, imports between parts of the package, Snakemake's own lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	PYTHONPATH=src $(BIN)/lint-imports --no-logo
	$(BIN)/snakemake --lint

format: environment  ## format Python and Snakemake files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

docs: environment  ## remake the references of the config and the strategies from src/, and build the documentation in site/html/
	PYTHONPATH=src $(BIN)/python -m bias_amplification.study.reference
	@cmp -s envs/docs.txt $(ENVIRONMENT)/.installed-docs \
		|| { $(BIN)/python -m pip install --quiet --requirement envs/docs.txt && cp envs/docs.txt $(ENVIRONMENT)/.installed-docs; }
	PYTHONPATH=src $(BIN)/python docs/pages.py site/source
	PYTHONPATH=src $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --jobs auto --conf-dir docs --doctree-dir site/doctrees site/source site/html
	@echo "Open site/html/index.html."

benchmark: environment  ## run the comparisons of docs/speed.md; needs TOKENIZER=folder, and ARTICLES=table.parquet is optional
	@test -n "$(TOKENIZER)" || { echo "Give a folder with GPT-2's tokenizer.json: make benchmark TOKENIZER=folder"; exit 1; }
	for name in writing finetuning classification chain; do \
		PYTHONPATH=src $(BIN)/python benchmarks/$$name.py --tokenizer $(TOKENIZER) $(if $(ARTICLES),--articles $(ARTICLES)) \
			$(ARGUMENTS) || exit 1; \
	done
	PYTHONPATH=src $(BIN)/python benchmarks/neuron_statistics.py

lock:  ## pin the newest package versions that work together (needs pip-tools)
	pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --upgrade --extra test --extra lint --output-file envs/requirements.txt pyproject.toml
	sed -i 's/^torch==\([0-9.]*\)+.*/torch==\1/' envs/requirements.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
		| pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --upgrade --constraint envs/requirements.txt --output-file envs/docs.txt -

# The environment has a copy of the requirements that were installed. If it differs from the file, the environment is
# updated. File times are not compared, because a clone changes them.
environment:
	@cmp -s envs/requirements.txt $(ENVIRONMENT)/.installed || $(MAKE) --no-print-directory $(ENVIRONMENT)/.installed

.PHONY: $(ENVIRONMENT)/.installed
$(ENVIRONMENT)/.installed:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.12 ...")'
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.txt
	cp envs/requirements.txt $@
