"""The target rate that the options of `run` ask for: a number, that of a search, or a share of Offline's."""

import logging
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.config.fingerprint import JobSettings

if TYPE_CHECKING:
    from weighbridge.run.session import Setup

log = logging.getLogger(__name__)


def given_rate(
    target_qps: float | None, peak: Path | None, offline: Path | None, job: JobSettings
) -> float | None:
    """Return the target rate of a run; None: it is a share of the Offline run's.

    Raises:
        InputError: it is not given exactly once, or is no rate.
    """
    from weighbridge.core.errors import InputError
    from weighbridge.records.search_record import Peak

    # What the command line says takes the place of the settings' rate.
    given = target_qps if target_qps is not None else job.target_qps
    if [given is not None, peak is not None, offline is not None].count(True) != 1:
        raise InputError("pass one of --target-qps (or 'target_qps' in --settings), --peak and --offline.")
    if offline is not None:
        if job.offline_share is None:
            raise InputError("--offline needs 'offline_share' in --settings, such as 0.8.")
        return None
    rate = given if peak is None else Peak.read(peak).peak_qps
    if rate is None or not 0 < rate < inf:
        raise InputError(f"--target-qps is {rate or 0:g}; give a rate above 0.")
    return rate


def share_of_offline(offline: Path | None, job: JobSettings, setup: "Setup") -> "tuple[float, Setup]":
    """Return the target rate that is a share of an Offline run's, and the setup with where it comes from.

    Raises:
        InvalidRunError: the Offline run does not count.
    """
    from weighbridge.search.offline_rate import share_of_valid

    assert offline is not None
    assert job.offline_share is not None
    found = share_of_valid(offline, job.offline_share, setup)
    log.info("target rate %g queries/s: %s", found.qps, found.said)
    return found.qps, replace(setup, target_from=found.said)
