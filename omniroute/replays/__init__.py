"""Answers that are given again, and requests that wait for the answer of another."""
