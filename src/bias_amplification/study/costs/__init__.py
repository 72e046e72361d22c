"""What a study asks for: memory and time of its jobs, and space on disk."""
