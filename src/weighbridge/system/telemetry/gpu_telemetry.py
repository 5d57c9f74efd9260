"""NVIDIA's GPUs as NVML tells them. AMD's are left out: nothing here could try them."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pynvml

from weighbridge.records.telemetry_record import Metric
from weighbridge.system.gpus import visible_accelerators
from weighbridge.system.telemetry.samples import AbsentError, Reading

_QUESTIONS: dict[Metric, Callable[[Any], float]] = {
    Metric.UTILISATION: lambda gpu: pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
    Metric.MEMORY_USED_BYTES: lambda gpu: pynvml.nvmlDeviceGetMemoryInfo(gpu).used,
    Metric.POWER_W: lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    Metric.TEMPERATURE_C: lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    Metric.ECC_UNCORRECTED: lambda gpu: pynvml.nvmlDeviceGetTotalEccErrors(
        gpu, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC
    ),
}


class Gpus:
    """The GPUs that this process may use; NVML stays open between readings."""

    name = "the GPUs"

    def __init__(self) -> None:
        self._gpus: dict[str, Any] = {}

    def read(self) -> Sequence[Reading]:
        """Ask every GPU everything; what one does not tell stays out.

        Raises:
            AbsentError: there are none.
            OSError: none answers any more.
        """
        if not self._gpus:
            self._open()
        readings = []
        for name, gpu in self._gpus.items():
            for metric, ask in _QUESTIONS.items():
                with contextlib.suppress(pynvml.NVMLError):
                    readings.append(Reading(name, metric, float(ask(gpu))))
        if not readings:
            raise OSError("NVML answers nothing")
        return readings

    def close(self) -> None:
        """Let go of NVML."""
        if self._gpus:
            self._gpus = {}
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _open(self) -> None:
        indices = [device.index for device in visible_accelerators()]
        if not indices:
            raise AbsentError
        pynvml.nvmlInit()
        self._gpus = {f"gpu {index}": pynvml.nvmlDeviceGetHandleByIndex(index) for index in indices}
