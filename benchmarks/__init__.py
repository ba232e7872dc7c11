"""Benchmarks: each a command, each writes benchmarks/results/*.json."""
