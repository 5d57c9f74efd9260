"""Ask a subject by the harness's own task and API model, and by ours, and compare. Run in .venv-quality.

Arguments: folder of the questions, folder of the model, URL, name of the model, a scratch folder.
"""

import sys
from dataclasses import replace
from pathlib import Path

import yaml

from weighbridge.config.quality_settings import MmluSettings
from weighbridge.quality.harness_start import import_harness
from weighbridge.quality.harness_tasks import prompt_of, write_task
from weighbridge.quality.questions import Domain, Subject, read_questions

DESCRIPTION = "The following are multiple choice questions (with answers) about high school physics.\n\n"


def main() -> None:
    folder, model, url, name, scratch_folder = sys.argv[1:]
    scratch = Path(scratch_folder)
    import_harness()
    import lm_eval.tasks
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    from weighbridge.quality.api_model import AskedModel
    from weighbridge.quality.ask_subject import SubjectJob, ask_subject, harness_model
    from weighbridge.quality.refused_request import Asking

    [made_up, *_] = read_questions(Path(folder)).subjects.values()
    again = replace(made_up.test[0], idx=len(made_up.test))  # MMLU has equal questions too
    subject = Subject("high_school_physics", Domain.STEM, made_up.dev, (*made_up.test, again))
    settings = MmluSettings()
    task = write_task(subject, settings, scratch / "task")
    ours = yaml.safe_load((scratch / "task" / f"{task}.yaml").read_text())
    template = Path(lm_eval.tasks.__file__).parent / "mmlu" / "default" / "_default_template_yaml"
    own = yaml.safe_load(template.read_text()) | {"task": "own", "description": DESCRIPTION}
    own |= {"dataset_path": "json", "dataset_kwargs": ours["dataset_kwargs"]}
    api = LocalCompletionsAPI(
        base_url=f"{url}/v1/completions",
        model=name,
        tokenizer=model,
        tokenizer_backend="huggingface",
        num_concurrent=4,
    )
    manager = lm_eval.tasks.TaskManager(include_path=str(scratch / "task"), include_defaults=False)
    expected = simple_evaluate(model=api, tasks=[own], num_fewshot=5, task_manager=manager)

    asked = AskedModel(name, Path(model), settings, Asking(settings.protocol, None, None))
    asking = harness_model(asked)
    asking.use((url,))
    job = SubjectJob(subject, tuple(range(len(subject.test))), "0" * 64)
    found = ask_subject(asking, job, scratch / "asked", lambda: None)

    samples = sorted(expected["samples"]["own"], key=lambda sample: sample["doc_id"])
    for sample, question in zip(samples, subject.test, strict=True):
        prompt = prompt_of(subject, question, 5)
        assert sample["arguments"] == [(prompt, f" {letter}") for letter in "ABCD"]
    likelihoods = [tuple(each[0] for each in sample["filtered_resps"]) for sample in samples]
    assert likelihoods == [question.log_probabilities for question in found.questions]
    assert len({each for of in likelihoods for each in of}) > 1
    assert [bool(sample["acc"]) for sample in samples] == [each.correct for each in found.questions]
    assert expected["results"]["own"]["acc,none"] == found.harness_accuracy == 4 / 6

    begun = harness_model(AskedModel(name, Path(model), MmluSettings(bos=True), asked.asking))
    assert begun.tok_encode("Yes") == [begun.tokenizer.bos_token_id, *api.tok_encode("Yes")]


if __name__ == "__main__":
    main()
