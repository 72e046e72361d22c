"""Models from a hub, from a folder, or trained by the run."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bias_amplification.study.sections.section import COMMIT_PATTERN, LocalPath, Name, Section


class ModelSource(Section):
    """A model from a hub or a folder."""

    source: Literal["hub", "folder", "scratch"] = Field(description="Where the model comes from.")
    hub_id: str | None = Field(None, description="For source `hub`: the model's id on the Hugging Face hub.")
    revision: str | None = Field(
        None,
        pattern=COMMIT_PATTERN,
        description="For source `hub`: the commit of the model's repository, 40 hex digits. It is fixed so that every "
        "run gets the same weights.",
    )
    path: LocalPath | None = Field(None, description="For source `folder`: a folder in Hugging Face format.")

    @model_validator(mode="after")
    def _check_source(self) -> "ModelSource":
        if self.source == "hub" and not (self.hub_id and self.revision):
            raise ValueError("source hub needs hub_id and revision: add the model's id and a commit of its repository")
        if self.source == "folder" and not self.path:
            raise ValueError("source folder needs path: add the path of a folder in Hugging Face format")
        # A folder may stand over another config's hub model.
        unread = {"hub": ("path",), "folder": ()}.get(self.source, ("path", "hub_id", "revision"))
        for key in unread:
            if getattr(self, key) is not None:
                meant = "folder" if key == "path" else "hub"
                raise ValueError(
                    f"{key} is set, but source is {self.source}, which does not read it: set source to {meant}, or "
                    f"remove {key}"
                )
        return self


class GivenModel(ModelSource):
    """The model of one generation that was trained elsewhere, such as a published checkpoint."""

    source: Literal["hub", "folder"] = Field(description="Where the model comes from.")

    @property
    def identity(self) -> tuple[str, ...]:
        """What two entries have in common if they are the same model: its resolved folder, or its id and commit."""
        if self.source == "folder":
            return (str(Path(self.path).resolve()),)
        return (self.hub_id, self.revision)


class Pretraining(Section):
    """Pretraining of a small GPT-2 and its byte-level BPE by the run, so that the base model's bias is known."""

    layers: int = Field(3, ge=1, description="Number of transformer blocks.")
    width: int = Field(
        96, ge=8, description="Width of the residual stream. A block's FFN has this many output units (neurons)."
    )
    heads: int = Field(3, ge=1, description="Number of attention heads. It must divide `width`.")
    context: int = Field(512, ge=128, description="Number of positions.")
    tokenizer: LocalPath | None = Field(
        None, description="A folder with a tokenizer.json to use; null trains a byte-level BPE."
    )
    vocabulary: int = Field(
        1536, ge=300, description="Number of tokens of the BPE that is trained, the end-of-text token included."
    )
    label_mix: dict[Name, Annotated[float, Field(ge=0)] | None] = Field(
        default_factory=lambda: {"left": 0.05, "center": 0.48, "right": 0.47},
        description="Share of each label among the pretraining articles. Shares are scaled to sum to 1. Labels that "
        "are not named have none. Studies with other labels than the default's need this key.",
    )
    articles: int | None = Field(
        None, gt=0, description="Number of pretraining articles; null: as many as the label mix allows."
    )
    epochs: int = Field(6, ge=1, description="Passes over the pretraining articles.")
    batch_size: int = Field(16, ge=1, description="Sequences per step.")
    learning_rate: float = Field(
        1.0e-3, gt=0, description="Peak learning rate, reached after the warm-up and followed by a linear decay."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps in which the learning rate rises.")

    @model_validator(mode="after")
    def _check(self) -> "Pretraining":
        if self.width % self.heads:
            raise ValueError(
                f"base_model.pretraining.heads is {self.heads}, which does not divide base_model.pretraining.width "
                f"{self.width}: change one"
            )
        if not any(self.label_mix.values()):
            raise ValueError("base_model.pretraining.label_mix gives no label a share: give one a number above 0")
        return self


class BaseModelSettings(ModelSource):
    """The language model before any fine-tuning."""

    source: Literal["hub", "folder", "pretrain"] = Field(
        "pretrain",
        description="Where the base model comes from. `pretrain`: the run pretrains it. `folder`: a folder in Hugging "
        "Face format. `hub`: the Hugging Face hub.",
    )
    begin_token: Literal["tokenizer", "always", "never"] = Field(
        "tokenizer",
        description="Whether every sequence that the model reads begins with its begin-of-text token: training "
        "examples, prompts, and texts whose perplexity or neurons are measured. `tokenizer`: as the model's tokenizer "
        "does by itself.",
    )
    pretraining: Pretraining = Pretraining()


class Encoder(ModelSource):
    """A sequence classifier, pretrained elsewhere or trained from scratch by the run."""

    source: Literal["hub", "folder", "scratch"] = Field(
        "scratch",
        description="Where the encoder comes from. `scratch`: the run makes one with random weights. `folder`: a "
        "folder in Hugging Face format. `hub`: the Hugging Face hub.",
    )
    architecture: Literal["modernbert", "bert", "distilbert", "roberta"] = Field(
        "modernbert",
        description="For source `scratch`. A small `modernbert` learns the most from little text, because it averages "
        "over all tokens; the others classify by their first token.",
    )
    layers: int = Field(2, ge=1, description="For source `scratch`: number of transformer blocks.")
    width: int = Field(64, ge=8, description="For source `scratch`: width of the hidden states.")
    heads: int = Field(2, ge=1, description="For source `scratch`: number of attention heads. It must divide `width`.")
    vocabulary: int = Field(2000, ge=300, description="For source `scratch`: number of tokens of its BPE.")
    dropout: float = Field(0.0, ge=0, lt=1, description="For source `scratch`: dropout within the blocks.")

    @model_validator(mode="after")
    def _check_size(self) -> "Encoder":
        if self.source == "scratch" and self.width % self.heads:
            raise ValueError(f"heads is {self.heads}, which does not divide width {self.width}: change one")
        return self
