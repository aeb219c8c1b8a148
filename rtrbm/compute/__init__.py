"""Threads, matrix products, random numbers of many chains, compiled loops."""
