"""Where the models that a config names come from: folders, and hubs whose repositories are downloaded at a commit."""

from pathlib import Path
from typing import Protocol

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.models.given import LanguageModelUse, check_given_model

#: Files of a hub's repository that are downloaded: no pickled weights, no code, no copies in other formats.
_WANTED = ("*.json", "*.safetensors", "*.txt", "*.model")
_UNWANTED = ("*/*", "consolidated*", "*.fp16*")


class Source(Protocol):
    """Where a model comes from; the config's sections about models have these fields."""

    @property
    def source(self) -> str:
        """Either "folder" or "hub"."""

    @property
    def hub_id(self) -> str | None:
        """The model's id on the hub."""

    @property
    def revision(self) -> str | None:
        """The commit of the hub's repository."""

    @property
    def path(self) -> str | None:
        """The folder."""


def key_of(source: Source, key: str) -> str:
    """Return the config key that names a model, such as "base_model.path", from the key of its section."""
    return f"{key}.path" if source.source == "folder" else f"{key}.hub_id"


def obtain_folder(source: Source, key: str, use: LanguageModelUse | None) -> Path:
    """Return the folder of a model, after downloading it from a hub if it is there, and after checking its files.

    Parameters
    ----------
    source
        A folder or a hub model.
    key
        The config key of the source's section, for messages.
    use
        What the model is used for; None for a text classifier.

    Raises
    ------
    StudyError
        If the model cannot be downloaded or `check_given_model` refuses it.
    """
    folder = Path(source.path) if source.source == "folder" else _download(source, key)
    check_given_model(folder, key_of(source, key), use, name=_subject(source))
    return folder


def check_source(source: Source, key: str, use: LanguageModelUse | None) -> None:
    """Check a model before the first job: a folder, or what the local cache holds of a hub model.

    Parameters and errors are those of `obtain_folder`. Nothing is downloaded.
    """
    if source.source == "folder":
        obtain_folder(source, key, use)
    elif source.source == "hub" and (folder := _cached(source)):
        check_given_model(folder, key_of(source, key), use, name=_subject(source), whole=False)


def _subject(source: Source) -> str:
    return str(source.path) if source.source == "folder" else f"The hub model {source.hub_id}"


def _snapshot(source: Source, *, local: bool) -> Path:
    """Return the folder of a hub model's files in the local cache, which are first downloaded unless `local`."""
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            source.hub_id,
            revision=source.revision,
            allow_patterns=list(_WANTED),
            ignore_patterns=list(_UNWANTED),
            local_files_only=local,
        )
    )


def _download(source: Source, key: str) -> Path:
    try:
        return _snapshot(source, local=False)
    except Exception as error:  # huggingface_hub raises errors of many libraries
        raise StudyError(
            f"The hub model {source.hub_id} cannot be loaded ({one_line(error)}): try again later, download it "
            f"yourself and name its folder (source: folder), or correct {key}.hub_id."
        ) from error


def _cached(source: Source) -> Path | None:
    """Return the folder of a hub model in the local cache; None if it has not been downloaded.

    A file that was removed from the cache leaves a link that leads nowhere. The download brings it again.
    """
    try:
        folder = _snapshot(source, local=True)
        return folder if all(file.exists() for file in folder.iterdir()) else None
    except (OSError, ValueError):  # the job that downloads the model reports what is wrong
        return None
