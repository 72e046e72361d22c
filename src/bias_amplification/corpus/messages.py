"""Parts of a file in messages."""

#: Most characters of a name or value in a message. A file with a fault can have a whole article in its place.
_MOST = 200


def short(text: object) -> str:
    """Return a value of a file as a message quotes it: in one line, and cut if it is long."""
    line = " ".join(str(text).split())
    return line if len(line) <= _MOST else f"{line[:_MOST]}…"
