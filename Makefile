# Verbs: study, resume, unlock, test, test-slurm, format, docs, benchmark. Each makes the environment that it needs.
PYTHON ?= python3
ENVIRONMENT ?= .venv
BIN = $(ENVIRONMENT)/bin
CORES ?= all

.PHONY: study resume unlock test test-slurm lint format docs benchmark lock environment
.DELETE_ON_ERROR:

study: environment  ## run the embedded study: every table and figure, from nothing
	$(BIN)/snakemake --cores $(CORES) --resources gpu=1 $(ARGUMENTS)
	$(BIN)/snakemake --report results/report.zip --quiet all $(ARGUMENTS)
	@echo "Open results/index.html, or unpack results/report.zip for Snakemake's own report."

resume: unlock study  ## go on with a study whose Snakemake was killed

unlock: environment  ## after a kill of Snakemake: cancel its live cluster jobs, wait for their end, free the folder
	@for head in $$(pgrep -f '^[^ ]*python[^ ]* (-m |[^ ]*bin/)snakemake ' 2>/dev/null); do \
		if [ "$$(readlink /proc/$$head/cwd)" = "$(CURDIR)" ] && ! tr '\0' ' ' < /proc/$$head/cmdline | grep -q -e '--mode '; then \
			echo "Snakemake still runs here: end process $$head first (Ctrl-C, or kill $$head)."; exit 1; \
		fi; \
	done
	@if command -v squeue >/dev/null; then \
		while listed=$$(squeue --noheader --user "$$(id -un)" --format '%i|%Z') || { echo "squeue does not answer: try again when it does."; exit 1; }; \
			jobs=$$(echo "$$listed" | awk -F'|' -v here="$(CURDIR)" '$$2 == here {print $$1}'); [ -n "$$jobs" ]; do \
			scancel $$jobs 2>/dev/null; sleep 1; \
		done; \
	fi
	$(BIN)/snakemake --unlock $(ARGUMENTS)

test: environment lint  ## lint, unit tests and small studies, some files of tests side by side
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile $(ARGUMENTS)

test-slurm: environment  ## a small study on a real SLURM cluster of one node, which this starts and stops (Debian, Ubuntu)
	$(BIN)/python -m pytest -m slurm tests/slurm $(ARGUMENTS)

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

format: environment
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

docs: environment  ## remake the config's schema and table of keys from the settings
	PYTHONPATH=src $(BIN)/python -m bias_amplification.study.reference

benchmark: environment  ## the comparisons of docs/speed.md: TOKENIZER=folder, and if you like ARTICLES=table.parquet
	@test -n "$(TOKENIZER)" || { echo "Give a folder with GPT-2's tokenizer.json: make benchmark TOKENIZER=folder"; exit 1; }
	for name in writing finetuning classification chain; do \
		PYTHONPATH=src $(BIN)/python benchmarks/$$name.py --tokenizer $(TOKENIZER) $(if $(ARTICLES),--articles $(ARTICLES)) \
			$(ARGUMENTS) || exit 1; \
	done
	PYTHONPATH=src $(BIN)/python benchmarks/neuron_statistics.py

lock:  ## pin the newest versions that go together (needs pip-tools)
	pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --upgrade --output-file envs/requirements.txt envs/requirements.in
	sed -i 's/^torch==\([0-9.]*\)+.*/torch==\1/' envs/requirements.txt

environment: $(ENVIRONMENT)/.complete

$(ENVIRONMENT)/.complete: envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.12 ...")'
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.txt
	touch $@
