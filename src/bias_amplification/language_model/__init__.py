"""The language model: obtain or pretrain it, fine-tune it, write articles with it, compute perplexities."""
