"""Where and how jobs compute, and what stays on disk."""

from typing import Annotated, Literal

from pydantic import Field

from bias_amplification.study.sections.section import LocalPath, Section, one_of

#: Which generations' weights stay.
Weights = Annotated[
    Literal["all", "none"] | Annotated[int, Field(ge=1)],
    one_of("all, none, or a whole number of at least 1"),
]


class Storage(Section):
    """What stays on disk."""

    weights: Weights = Field(
        "all",
        description="Generations whose model weights stay: `all`, `none`, or a number k for every k-th generation from "
        "0 on. Other weights are removed once their articles, perplexities and neurons are made, the next "
        "generation is trained, and interventions that need them are done.",
    )


class Compute(Section):
    """Device, precision and threads. Of these keys, only a change of a precision makes results again."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto`: CUDA if there is a GPU, else the CPU.")
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = Field(
        "auto",
        description="Precision of training. `bfloat16`: autocast. `tf32`: a GPU rounds the factors of float32 products "
        "to 10 bits; a CPU does not. `auto`: bfloat16 if the GPU supports it natively, else float32. Name the "
        "precision if a study moves between a CPU and a GPU and must keep it.",
    )
    measuring: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="Precision in which trained models are read: labels, text quality, perplexity, diversity and "
        "neurons. Values as for `precision`. docs/speed.md says how much it changes.",
    )
    cuda_graphs: bool = Field(
        True,
        description="Whether a GPU replays frequent training steps as one CUDA graph, if that is faster. It does not "
        "change results.",
    )
    compile: bool = Field(
        False,
        description="Whether training compiles the model (`torch.compile`), which takes a minute per job and pays in "
        "long trainings. It changes the last bits of results.",
    )
    gpus: int = Field(
        1,
        ge=1,
        description="Number of GPUs of a fine-tuning job, on all its machines, which divide each batch. It has no "
        "effect on a CPU. It changes the last bits of results.",
    )
    accelerate_config: LocalPath | None = Field(
        None,
        description="Config file of `accelerate launch` for fine-tuning on several GPUs, such as "
        "`profiles/accelerate/fsdp.yaml`: FSDP, or several machines (docs/larger-models.md). null: one machine, and "
        "each GPU has the whole model. It changes the last bits of results.",
    )
    threads: int = Field(
        1,
        ge=1,
        description="CPU threads of a job that computes with a model. It changes the last bits of results.",
    )
    training_threads: int = Field(
        2, ge=1, description="CPU threads of pretraining. It changes the last bits of results."
    )
    batch_tokens: int = Field(
        16384,
        ge=512,
        description="Tokens that are measured at once. It changes speed and memory, and the last bits of results.",
    )
    checkpoint_seconds: float = Field(
        300.0,
        ge=0,
        description="Seconds between two saves of an unfinished job's state. A job that was killed continues from it.",
    )
    warm: bool = Field(
        True,
        description="Whether local jobs are forked from one process that has the libraries loaded, instead of loading "
        "them in every job.",
    )

    @property
    def measured_in(self) -> dict[str, str]:
        """The parameter of rules that read a model; none at the default, so that finished studies stay as they are."""
        return {} if self.measuring == "float32" else {"precision": self.measuring}


class JobCompute(Compute):
    """Where one job computes: the config's `compute` section, and where the job saves its unfinished work."""

    state: str | None = Field(None, description="File of the job's saved state; null: the job saves none.")
    processes: int = Field(1, ge=1, description="Number of processes of a fine-tuning job, each with its own GPU.")
    gpu_mb: int | None = Field(None, description="MB that the job is expected to need on a GPU; null: unknown.")
