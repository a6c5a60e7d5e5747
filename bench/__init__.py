"""Measurements that take longer than tests: one command each, in the Makefile."""
