"""The environment of a started server: what reaches it, what in it loads code, and what is recorded of it."""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from weighbridge.core.secrets import MASKED, is_secret, mask, names_secret
from weighbridge.serving.adapter import ServerAdapter
from weighbridge.serving.spelling import variable_in_server

CODE_LOADING: tuple[str, ...] = (
    "LD_PRELOAD",
    "LD_AUDIT",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONPLATLIBDIR",
    "CUDA_INJECTION64_PATH",
    "RAY_RUNTIME_ENV_HOOK",
    "APPTAINER_ENV_FILE",
    "SINGULARITY_ENV_FILE",
)
"""Variables that load code of the user's choice into any server; it could change every part of the task.

The last two name files with further variables for a container.
"""
CODE_OF_SHELLS: tuple[str, ...] = (
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "PYTHONBREAKPOINT",
    "PYTHONPYCACHEPREFIX",
    "BASH_ENV",
    "ENV",
)
"""Variables that load code too, and that people have set for their own shells: no server inherits them."""

_PRIVATE_KEY = "PRIVATE KEY-----"  # of PEM
_PACKAGE_PARENT = Path(__file__).parents[2]

# What changes a server's numbers or speed, beside its own variables: the accelerator's libraries, threads and
# memory of numerical libraries, kernels that are compiled while it runs, the network between its processes,
# the model's libraries, the loader, Python and the memory allocator. PATH, HOME and the like do not.
_RECORDED = (
    *("CUDA_", "NVIDIA_", "CUBLAS", "CUDNN", "NCCL_", "NVSHMEM_", "NVTE_"),
    *("HIP_", "HSA_", "ROCM_", "ROCR_", "MIOPEN_", "AITER_", "AMD_", "RCCL_", "XPU_", "ZE_", "SYCL_"),
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_", "NUMEXPR_", "DNNL_", "ONEDNN_"),
    *("TORCH", "PYTORCH_", "TRITON_", "INDUCTOR_", "FLASHINFER_", "FLASH_", "XFORMERS_", "DG_", "KINETO_"),
    *("UCX_", "GLOO_", "RAY_", "LMCACHE_", "MOONCAKE_"),
    *("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TOKENIZERS_", "SAFETENSORS_"),
    *("LD_", "GLIBC_TUNABLES", "MALLOC_", "TCMALLOC_", "JEMALLOC_", "PYTHON"),
    *("APPTAINER_ENV_FILE", "SINGULARITY_ENV_FILE"),
)
# They change where and when a Python writes what, and no answer: by hand and by Snakemake they differ.
_OF_NO_EFFECT = frozenset(
    {
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONIOENCODING",
        "PYTHONFAULTHANDLER",
        "PYTHONWARNINGS",
    }
)
# Ports, addresses, numbers of processes and of devices may be others in each run of the same system.
_VARYING = re.compile(
    r"(^|_)(PORTS?|ADDR|ADDRESS|HOST|IP|JOB_?ID|RUN_ID|PID|SESSION_DIR|VISIBLE_DEVICES|DEVICE_ORDINAL)$"
)
# What these name is the job's own, too, and stands in values such as TRITON_CACHE_DIR.
_PLACES_OF_A_JOB = ("SLURM_TMPDIR", "TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR")
_SHARED_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/")  # noqa: S108 compared, and not written to
_NUMBERS_OF_A_JOB = ("SLURM_JOB_ID", "SLURM_JOBID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


def inherited_by_server(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a started server inherits: nothing with which Weighbridge runs itself, nothing of shells.

    Nor does it inherit a private key, such as the one that signs attestations.
    Of PYTHONPATH, this package's folder and empty entries (the working folder) are left out; without any
    other entry the variable is.
    """
    inherited = {
        name: value
        for name, value in environ.items()
        if name not in CODE_OF_SHELLS and _PRIVATE_KEY not in value
    }
    if "PYTHONPATH" in inherited:
        entries = [
            each for each in inherited.pop("PYTHONPATH").split(os.pathsep) if each and not _is_ours(each)
        ]
        if entries:
            inherited["PYTHONPATH"] = os.pathsep.join(entries)
    return inherited


def _is_ours(entry: str) -> bool:
    return Path(entry).resolve() == _PACKAGE_PARENT.resolve()


def inherited_variables(
    adapter: ServerAdapter, environ: Mapping[str, str], overridden: Collection[str] = ()
) -> dict[str, str]:
    """Return what a record says of a started server's inherited environment, by name.

    Variables of the server's kind and `_RECORDED` ones, but for secrets, for what differs from run to run by
    its nature, and for what the settings override.
    """
    prefixes = (*_RECORDED, *adapter.variable_prefixes)
    return {
        name: _of_no_job(mask(value), environ)
        for name, value in sorted(inherited_by_server(environ).items())
        if variable_in_server(name).startswith(prefixes)
        and variable_in_server(name) not in (*_OF_NO_EFFECT, adapter.api_key_variable)
        and name not in overridden
        and not names_secret(name)
        and not _VARYING.search(name)
    }


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables for a record, with secrets masked, whichever of name and value shows them."""
    return {name: MASKED if is_secret(name, value) else mask(value) for name, value in environment.items()}


def _of_no_job(value: str, environ: Mapping[str, str]) -> str:
    """Return a value in which the job's own folders and number are $TMPDIR, $SLURM_JOB_ID and the like."""
    for name in _PLACES_OF_A_JOB:
        place = environ.get(name, "").rstrip("/")
        if place.startswith("/") and place not in _SHARED_PLACES:
            value = re.sub(rf"{re.escape(place)}(?=/|:|$)", f"${name}", value)
    for name in _NUMBERS_OF_A_JOB:
        number = environ.get(name, "")
        if "/" in value and len(number) > 2:
            value = re.sub(rf"(?<!\w){re.escape(number)}(?!\w)", f"${name}", value)
    return value
