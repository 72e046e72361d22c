"""Files that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StudyError(Exception):
    """A fault that the user can mend.

    The message is one sentence: what is wrong, where (file, row or config key) and what to do. It is shown without
    a traceback.
    """


@contextmanager
def new_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block ends well.

    A process that is killed, or that outlives its killed scheduler, can then never leave half a file under the
    final name: every writer has a name of its own until `os.replace`, which is atomic within a file system.

    Parameters
    ----------
    path
        The file's final name. Its folder is made if need be.

    Yields
    ------
    Path
        A name of this process's own in the same folder, with the same ending.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results are meant to be shared as the user's umask says.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder whose files move to `path`, one rename each, when the block ends well."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".new.", dir=path))
    try:
        yield temporary
        for file in sorted(temporary.iterdir()):
            with new_file(path / file.name) as target:
                os.replace(file, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
