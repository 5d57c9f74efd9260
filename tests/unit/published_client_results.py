"""Published results of the official client: NVIDIA's VR-NVL72 in MLPerf Inference v6.1, as facts.

Source: mlcommons/inference_results_v6.1 @ 10ecdff, closed/NVIDIA/results/VR-NVL72_VR-288GB_aarch64x72_TRT/
qwen3-vl-235b-a22b. The numbers are those of their files, from which files in the client's form are written,
without histograms; what was not published, such as the log of events, is not there.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from weighbridge.benchmarks.rounds import load_round
from weighbridge.records.official_client import ACCURACY_RESULTS, RESULT_SUMMARY, WRITTEN_CONFIG
from weighbridge.submission.system_description import required_fields

ROUND = load_round("v6.1-endpoints")
_PERCENTILES = ("99.9", "99.0", "97.0", "95.0", "90.0", "80.0", "75.0", "50.0", "25.0", "10.0", "5.0", "1.0")


@dataclass(frozen=True)
class Series:
    """Sum, smallest, largest and mean value; percentiles from p99.9 down to p1; estimates down to p50."""

    total: float
    least: float
    most: float
    mean: float
    percentiles: tuple[float, ...]
    estimates: tuple[float, ...] = ()

    def values(self) -> dict[str, Any]:
        """Return the series as the client writes it."""
        found: dict[str, Any] = {"total": self.total, "min": self.least, "max": self.most, "avg": self.mean}
        found["percentiles"] = dict(zip(_PERCENTILES, self.percentiles, strict=True))
        if self.estimates:
            found["early_stopping_percentiles"] = dict(zip(_PERCENTILES, self.estimates, strict=False))
        return found


@dataclass(frozen=True)
class PublishedScenario:
    """What was published of one scenario; times in ns."""

    scenario: str
    samples_set: int | None
    target_qps: float | None
    warmup_requests: int
    issued: int
    duration_ns: int
    window_ns: int | None
    qps: float
    tps: float
    latency: Series
    tokens: Series
    ttft: Series | None
    tpot: Series | None
    f1: float

    def write(self, folder: Path) -> None:
        """Write the files of the scenario's folder."""
        for name in (RESULT_SUMMARY, ACCURACY_RESULTS):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / WRITTEN_CONFIG).write_text(yaml.safe_dump(self._config(), sort_keys=False))
        (folder / RESULT_SUMMARY).write_text(json.dumps(self._summary(), indent=2))
        (folder / ACCURACY_RESULTS).write_text(json.dumps(self._accuracy(), indent=2))

    @property
    def samples(self) -> int:
        """Number of samples of the scenario's dataset."""
        name = ROUND.scenario(self.scenario).dataset
        return ROUND.samples if name is None else ROUND.further_datasets[name].samples

    def _config(self) -> dict[str, Any]:
        drive, rules = ROUND.scenario(self.scenario).endpoints, ROUND.endpoints_rules
        assert drive is not None
        runtime: dict[str, Any] = {"min_duration_ms": 600_000, "max_duration_ms": 0}
        if self.samples_set is not None:
            runtime["n_samples_to_issue"] = self.samples_set
        runtime |= {
            "scheduler_random_seed": 16159082839903944936,
            "dataloader_random_seed": 2747215439041700203,
        }
        load: dict[str, Any] = {"type": drive.load_pattern}
        if self.target_qps is not None:
            load |= {"target_qps": self.target_qps, "use_legacy_loadgen_qps_metrics": True}
        warmup = {"enabled": True, "n_requests": self.warmup_requests, "salt": True, "drain": True}
        return {
            "name": f"{self.scenario}-{rules.model}",
            "version": "1.0",
            "type": drive.type,
            "submission_ref": {"model": "qwen3-vl-235b-a22b", "ruleset": "mlperf-inference-v6.1"},
            "model_params": {
                "name": "nvidia/Qwen3-VL-235B-A22B-Instruct-NVFP4-MLPerf-Inference-Closed-V6.1-FP8-KV",
                "max_new_tokens": 150,
                "min_new_tokens": 1,
                "skip_special_tokens": True,
                "streaming": "off" if self.ttft is None else "on",
            },
            "datasets": [
                {"name": drive.dataset, "type": "performance"},
                {
                    "name": drive.dataset,
                    "type": "accuracy",
                    "accuracy_config": {
                        "eval_method": "shopify_category_f1",
                        "ground_truth": "ground_truth_category",
                        "extractor": "identity_extractor",
                        "num_repeats": 1,
                    },
                },
            ],
            "settings": {
                "runtime": runtime,
                "load_pattern": load,
                "client": {"num_workers": 8, "max_connections": 16384 if self.samples > 8000 else 8192},
                "warmup": warmup,
            },
            "endpoint_config": {"endpoints": ["http://127.0.0.1:8000"], "api_type": "openai"},
        }

    def _summary(self) -> dict[str, Any]:
        return {
            "version": "0.1.0",
            "git_sha": None,
            "test_started_at": 0,
            "n_samples_issued": self.issued,
            "n_samples_completed": self.issued,
            "n_samples_failed": 0,
            "duration_ns": self.duration_ns,
            "state": "complete",
            "complete": True,
            "ttft": self.ttft.values() if self.ttft else {},
            "tpot": self.tpot.values() if self.tpot else {},
            "latency": self.latency.values(),
            "output_sequence_lengths": self.tokens.values(),
            "legacy_loadgen_window_duration_ns": self.window_ns,
            "qps": self.qps,
            "tps": self.tps,
        }

    def _accuracy(self) -> dict[str, Any]:
        drive = ROUND.scenario(self.scenario).endpoints
        assert drive is not None
        counts = {"issued": self.samples, "scored": self.samples, "empty": 0, "missing": 0}
        entry = {
            "dataset_name": drive.dataset,
            "extractor": "IdentityExtractor",
            "ground_truth_column": "ground_truth_category",
            "score": self.f1,
            "unit_samples": self.samples,
            "num_repeats": 1,
            "total_samples": self.samples,
            "complete": True,
            "dataset_type": "accuracy",
            "response_counts": counts,
        }
        return {"average_accuracy": self.f1, "accuracy_scores": [entry]}


INTERACTIVE = PublishedScenario(
    scenario="interactive",
    samples_set=None,
    target_qps=1310.0,
    warmup_requests=7200,
    issued=872_000,
    duration_ns=667825706521,
    window_ns=667376216627,
    qps=1306.6078446834506,
    tps=56019.60643571348,
    latency=Series(
        759531559539127, 239857729, 6688164650, 871022430.6641364,
        (1788428921, 1479941358, 1294634661, 1211723312, 1100511050, 990885469, 955625966, 838517318,
         747753043, 679032329, 641970314, 579935716),
        (1799706535, 1483688717, 1297240440, 1213406002, 1101654701, 991665856, 956325792, 839010193),
    ),
    tokens=Series(
        37386153, 19, 150, 42.87402866972477, (68, 62, 58, 55, 52, 48, 47, 42, 38, 34, 32, 29)
    ),
    ttft=Series(
        305778827700953, 69411183, 6013165371, 350663793.23503786,
        (1168859876, 906468974, 732305873, 658009329, 546322805, 435537533, 403516745, 308811662,
         249387119, 212657232, 195147471, 167947610),
        (1180618666, 910492462, 734488869, 659591939, 547526278, 436291454, 404142245, 309152019),
    ),
    tpot=Series(
        10858255505266.828, 2159.4324324324325, 59517708.87096774, 12452299.234928494,
        (19493239.466666665, 14128833.94117647, 13819816.69047619, 13665577.488372093, 13398769.227272727,
         13035899.444444444, 12895539.902439024, 12357815.945945946, 11931239.1875, 11644434.794871794,
         11499485.122807018, 11187982.02631579),
        (19741680.260869566, 14136758.390243903, 13823792.35483871, 13669214.594594594, 13402219.148148147,
         13038936.787878787, 12898191.795454545, 12360058.307692308),
    ),
    f1=0.7845128091628396,
)  # fmt: skip

SERVER = PublishedScenario(
    scenario="server",
    samples_set=None,
    target_qps=2340.0,
    warmup_requests=7200,
    issued=1_545_248,
    duration_ns=667655142694,
    window_ns=665117315350,
    qps=2323.2698417825063,
    tps=99742.4611703127,
    latency=Series(
        10607248532779515, 532035905, 84176712502, 6864431167.54043,
        (20170563645, 10326895939, 9440209623, 9045549869, 8488512568, 7868963594, 7643907105, 6768621875,
         5948473488, 5268832291, 4882143063, 4137125249),
        (20737495509, 10344495777, 9448560163, 9051890102, 8493290408, 7872567329, 7647326113, 6771551325),
    ),
    tokens=Series(
        66340438, 22, 150, 42.93190348733666, (67, 62, 58, 56, 52, 48, 47, 42, 38, 34, 33, 29)
    ),
    ttft=Series(
        2990679104096757, 47598996, 78020155499, 1935403963.6982265,
        (14969099050, 4413215109, 3619356482, 3356527878, 3016618710, 2640794314, 2493643097, 1800562301,
         1245646836, 870624922, 692399698, 425008804),
        (15577181433, 4431160548, 3625609244, 3360594688, 3019337459, 2642995075, 2496046812, 1802914468),
    ),
    tpot=Series(
        181892052004012.34, 13149801.852941176, 310170475.0, 117710588.85305941,
        (192576515.21212122, 161422662.0, 147582715.02325583, 141276376.3809524, 132996401.9,
         125313415.60655738, 122950481.88095239, 115601740.95744681, 110210223.61538461, 105980470.35,
         103183676.42222223, 90550786.15384616),
        (193371586.3888889, 161677861.6440678, 147718714.58695653, 141375233.8409091, 133063324.3030303,
         125354219.43902439, 122983764.44827586, 115622310.075),
    ),
    f1=0.7874153796727632,
)  # fmt: skip

OFFLINE = PublishedScenario(
    scenario="offline",
    samples_set=1_738_404,
    target_qps=None,
    warmup_requests=28_800,
    issued=1_738_404,
    duration_ns=726545539185,
    window_ns=None,
    qps=2392.6979194587702,
    tps=102722.30022046335,
    latency=Series(
        229585701199580951, 991536986, 265629270675, 132066942551.66287,
        (258053853497, 255984205092, 252090592866, 247033314397, 233873953402, 207424889369, 194694918200,
         131888232787, 68869619546, 31311464045, 19495439285, 9086011392),
        (258088670403, 256017759878, 252165462481, 247142658683, 234027967795, 207602240397, 194889059283,
         132112298601),
    ),
    tokens=Series(
        74632429, 22, 150, 42.931579195630015, (67, 62, 58, 56, 52, 48, 47, 42, 38, 34, 33, 29)
    ),
    ttft=None,
    tpot=None,
    f1=0.7871815525981819,
)  # fmt: skip

PUBLISHED = (OFFLINE, SERVER, INTERACTIVE)


def write_published_results(folder: Path) -> None:
    """Write the folders of all scenarios, as in a results tree."""
    for each in PUBLISHED:
        each.write(folder / ROUND.scenario(each.scenario).folder)


def write_published_tree(root: Path, *scenarios: PublishedScenario) -> Path:
    """Write a tree of the closed division with the scenarios' results, and all else that is asked of one.

    Args:
        root: The tree's root; made if missing.
        scenarios: By default Offline and Interactive, which the rules ask for at least.
    """
    submitter = root / "closed" / "Me"
    description = {name: field.example for name, field in required_fields().items()}
    texts = {
        "systems/box.json": json.dumps(description | {"division": "closed", "submitter": "Me"}, indent=2),
        "documentation/calibration.md": "No weights were calibrated.\n",
        f"src/{ROUND.folder}/README.md": "The code of this result.\n",
    }
    measurements = {
        "input_data_types": "uint8",
        "retraining": "No",
        "starting_weights_filename": "model",
        "weight_data_types": "nvfp4",
        "weight_transformations": "quantised",
    }
    for each in scenarios or (OFFLINE, INTERACTIVE):
        folder = f"results/box/{ROUND.folder}/{ROUND.scenario(each.scenario).folder}"
        texts[f"{folder}/README.md"] = f"How {each.scenario} was run.\n"
        texts[f"{folder}/measurements.json"] = json.dumps(measurements, indent=2)
        each.write(submitter / folder)
    for name, text in texts.items():
        (submitter / name).parent.mkdir(parents=True, exist_ok=True)
        (submitter / name).write_text(text)
    return root
