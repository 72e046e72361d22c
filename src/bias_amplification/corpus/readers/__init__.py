"""One module a source: each turns its files into one article table and says what it met on the way."""
