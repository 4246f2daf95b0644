"""Policy bundles: what they hold, how they are verified, run and written (contract 3)."""

from sleight_core.bundle.loader import Bundle, load_bundle
from sleight_core.bundle.manifest import BundleInfo, Manifest
from sleight_core.bundle.policy import PolicyOutput, PolicySession
from sleight_core.bundle.writer import join_golden, write_bundle
from sleight_core.errors import BundleError

__all__ = [
    "Bundle",
    "BundleError",
    "BundleInfo",
    "Manifest",
    "PolicyOutput",
    "PolicySession",
    "join_golden",
    "load_bundle",
    "write_bundle",
]
