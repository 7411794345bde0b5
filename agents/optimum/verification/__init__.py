"""Verification of an optimum by arithmetic of its own: nothing here imports the search, and a test sees to that."""

from .check import Check
from .findings import CertificateError, Verification

__all__ = ["CertificateError", "Check", "Verification"]
