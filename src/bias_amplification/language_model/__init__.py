"""The language model: obtain it, fine-tune it, let it write, measure its perplexity."""
