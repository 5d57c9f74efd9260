"""What a machine reports about itself, from the kernel's own files and lscpu's output."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from weighbridge.system.detection import accelerators, detect
from weighbridge.system.detection.accelerators import amd_fields
from weighbridge.system.detection.host import (
    card_names,
    dmidecode_modules,
    edac_modules,
    network_under,
    processor_of,
    storage_under,
)


def _lscpu(**fields: str) -> str:
    return json.dumps({"lscpu": [{"field": f"{name}:", "data": value} for name, value in fields.items()]})


def _file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_a_processor_is_described_from_lscpu_flat_or_nested() -> None:
    flat = _lscpu(
        **{"Model name": "Xeon", "Socket(s)": "2", "Core(s) per socket": "56", "CPU max MHz": "3800.0000"}
    )
    assert processor_of(flat) == {
        "host_processor_model_name": "Xeon",
        "host_processors_per_node": "2",
        "host_processor_core_count": "56",
        "host_processor_frequency": "3800 MHz",
    }
    nested = {
        "field": "Vendor ID:",
        "data": "ARM",
        "children": [
            {"field": "Model name:", "data": "Neoverse-V2"},
            {"field": "L2 cache:", "data": "72 MiB"},
        ],
    }
    assert processor_of(json.dumps({"lscpu": [nested]})) == {
        "host_processor_model_name": "Neoverse-V2",
        "host_processor_caches": "L2 72 MiB",
    }


def test_what_lscpu_does_not_report_is_left_out() -> None:
    assert processor_of("") == {}
    assert processor_of("no json") == {}
    assert processor_of(_lscpu(**{"Model name": "-", "Socket(s)": ""})) == {}


def test_disks_are_summed_and_the_kernels_own_devices_are_not(tmp_path: Path) -> None:
    for name, sectors, rotational in [
        ("nvme0n1", 2_000_000_000, "0"),
        ("sda", 1_000_000_000, "1"),
        ("loop0", 8000, "0"),
        ("zram0", 8000, "0"),
        ("sr0", 0, "1"),
    ]:
        _file(tmp_path / name / "size", str(sectors))
        _file(tmp_path / name / "queue" / "rotational", rotational)
    assert storage_under(tmp_path) == {
        "host_storage_capacity": "1536 GB",
        "host_storage_type": "HDD, NVMe SSD",
    }
    assert storage_under(tmp_path / "absent") == {}


def test_cards_are_counted_by_driver_and_speed_and_virtual_interfaces_are_not(tmp_path: Path) -> None:
    drivers = tmp_path / "drivers"
    for name, kind, driver, speed in [
        ("ib0", "32", "mlx5_core", "400000"),
        ("ib1", "32", "mlx5_core", "400000"),
        ("eth0", "1", "virtio_net", "-1"),
    ]:
        _file(tmp_path / "net" / name / "type", kind)
        _file(tmp_path / "net" / name / "speed", speed)
        (tmp_path / "net" / name / "device").mkdir()
        (drivers / driver).mkdir(parents=True, exist_ok=True)
        (tmp_path / "net" / name / "device" / "driver").symlink_to(drivers / driver)
    _file(tmp_path / "net" / "docker0" / "type", "1")
    assert network_under(tmp_path / "net", {}) == {
        "host_networking": "Ethernet, InfiniBand",
        "host_network_card_count": "2x mlx5_core 400 Gbit/s, 1x virtio_net",
    }
    assert network_under(tmp_path / "absent", {}) == {}


def test_a_card_that_lspci_names_goes_by_its_name(tmp_path: Path) -> None:
    names = card_names('0000:3b:00.0 "Infiniband controller" "Mellanox" "ConnectX-7" -r00 "" ""\n')
    assert names == {"0000:3b:00.0": "Mellanox ConnectX-7"}
    card = tmp_path / "0000:3b:00.0"
    card.mkdir()
    _file(tmp_path / "net" / "ib0" / "type", "32")
    _file(tmp_path / "net" / "ib0" / "speed", "400000")
    (tmp_path / "net" / "ib0" / "device").symlink_to(card)
    told = network_under(tmp_path / "net", names)
    assert told["host_network_card_count"] == "1x Mellanox ConnectX-7 400 Gbit/s"


def test_memory_modules_are_counted_by_size_type_and_speed(tmp_path: Path) -> None:
    module = "Memory Device\n\tSize: {}\n\tType: DDR5\n\tSpeed: 5600 MT/s\n\tConfigured Memory Speed: {}\n"
    told = "\n\n".join([module.format("64 GB", "4800 MT/s")] * 2 + [module.format("No Module Installed", "")])
    assert dmidecode_modules(told) == "2x 64 GiB DDR5 4800 MT/s"
    assert dmidecode_modules("") == ""
    for number in range(3):
        _file(tmp_path / "mc0" / f"dimm{number}" / "size", "32768" if number else "0")
        _file(tmp_path / "mc0" / f"dimm{number}" / "dimm_mem_type", "Registered-DDR5")
    assert edac_modules(tmp_path) == "2x 32 GiB Registered-DDR5"


def test_without_accelerators_that_is_said_in_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    none = accelerators.accelerators()
    assert none.pop("accelerators_per_node") == "0"
    assert len(none) == 8
    assert set(none.values()) == {"N/A"}


def test_nvidias_accelerators_are_told_by_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_told(*_: object) -> object:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    answers: dict[str, Callable[..., object]] = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "580.65.06",
        "nvmlSystemGetCudaDriverVersion_v2": lambda: 13000,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda _: "NVIDIA H200",
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=141 * 2**30),
        "nvmlDeviceGetMemoryBusWidth": lambda _: 6144,
        "nvmlDeviceGetMaxClockInfo": lambda _, kind: 3201 if kind == pynvml.NVML_CLOCK_MEM else 1980,
        "nvmlDeviceGetMaxPcieLinkGeneration": lambda _: 5,
        "nvmlDeviceGetMaxPcieLinkWidth": not_told,
        "nvmlDeviceGetEccMode": lambda index: (index, 1),
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 700_000,
        "nvmlDeviceGetNvLinkState": lambda _, link: int(link < 18),
        "nvmlDeviceGetNvLinkRemoteDeviceType": lambda _, __: pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    devices = [SimpleNamespace(index=index) for index in range(2)]
    monkeypatch.setattr(accelerators, "visible_accelerators", lambda: devices)
    assert accelerators.accelerators() == {
        "accelerators_per_node": "2",
        "other_software_stack": "NVIDIA driver 580.65.06, CUDA 13.0 (driver)",
        "accelerator_model_name": "NVIDIA H200",
        "accelerator_memory_capacity": "141 GiB",
        "accelerator_memory_configuration": "6144-bit bus at 3201 MHz",
        "accelerator_frequency": "1980 MHz",
        "accelerator_ecc_mode": "disabled, enabled",
        "accelerator_power_limit": "700 W",
        "accelerator_interconnect": "NVLink, 18 links",
        "accelerator_interconnect_topology": "NVSwitch",
    }


def test_amds_accelerators_are_read_from_either_form_of_its_tool() -> None:
    device = {
        "asic": {"market_name": "AMD Instinct MI300X"},
        "bus": {"max_pcie_width": 16, "max_pcie_speed": {"value": 32, "unit": "GT/s"}},
        "vram": {"type": "HBM", "size": {"value": 196592, "unit": "MB"}},
        "limit": {"max_power": {"value": 750, "unit": "W"}},
        "ras": {"ecc_block_state": {"UMC": "ENABLED"}},
        "driver": {"name": "amdgpu", "version": "6.12.12"},
    }
    expected = {
        "accelerators_per_node": "2",
        "accelerator_model_name": "AMD Instinct MI300X",
        "accelerator_memory_capacity": "196592 MB",
        "accelerator_memory_configuration": "HBM",
        "accelerator_host_interconnect": "PCIe x16 32 GT/s",
        "accelerator_power_limit": "750 W",
        "accelerator_ecc_mode": "enabled",
        "other_software_stack": "amdgpu 6.12.12",
    }
    assert amd_fields(json.dumps([device, device])) == expected
    assert amd_fields(json.dumps({"gpu_data": [device, device]})) == expected
    assert amd_fields(json.dumps([{"asic": {"market_name": "N/A"}}])) == {"accelerators_per_node": "1"}
    for text in ("", "no json", "[]", "{}"):
        assert amd_fields(text) == {}


def test_a_part_that_fails_or_hangs_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> dict[str, str]:
        raise OSError("no such device")

    def hangs() -> dict[str, str]:
        time.sleep(5)
        return {"late": "yes"}

    started = time.monotonic()
    told = detect((lambda: {"cooling": "air", "empty": ""}, fails, hangs), deadline_s=0.2)
    assert told == {"cooling": "air"}
    assert time.monotonic() - started < 4
    assert "fails cannot be detected (no such device)" in caplog.text
    assert "hangs is not detected" in caplog.text


def test_parts_add_to_the_software_stack() -> None:
    parts = tuple(lambda name=name: {"other_software_stack": name} for name in ("Linux", "driver"))
    assert detect(parts) == {"other_software_stack": "Linux, driver"}


def test_this_machine_tells_something_and_nothing_empty() -> None:
    fields = detect()
    assert {"host_memory_capacity", "operating_system", "other_software_stack"} <= fields.keys()
    assert all(fields.values())
