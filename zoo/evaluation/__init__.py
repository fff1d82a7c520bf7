"""Measures base and model on the same items: suites through lm-eval, verifiers on what it logs, paired differences."""
