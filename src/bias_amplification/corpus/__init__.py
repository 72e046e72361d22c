"""From a source of labelled articles to the article table, the seed sets and the classifier's articles."""
